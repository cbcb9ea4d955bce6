"""The forward pass that a step differentiates, and where its randomness comes from.

Shapes: images uint8 (B, C, H, W); the model sees float32 [-1, 1]; codes (B, h, w[, Q]).
"""

import inspect
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.parallel import DistributedDataParallel

from vqx.models import Tokenizer
from vqx.quantizers import Quantized
from vqx.training.precision import Precision


def to_float(images: Tensor) -> Tensor:
    """uint8 `images` as float32 in [-1, 1]."""
    return images.float().div_(127.5).sub_(1)


class TrainingForward(nn.Module):
    """The tokenizer as DDP sees it: one forward pass from inputs to the decoder's output."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.tokenizer = tokenizer

    def forward(self, inputs: Tensor, quantize: bool = True) -> tuple[Tensor, Quantized | None]:
        """The decoder's output for `inputs` (B, C, H, W) in [-1, 1], and the quantizer's answer.

        Without `quantize` the decoder sees the encoder's latents, and there is no answer.
        """
        if quantize:
            output, quantized = self.tokenizer(inputs)
            return output, quantized
        output = self.tokenizer.decoder(self.tokenizer.encoder(inputs))
        # The quantizer's parameters take part with a gradient of 0, or ranks would wait for it.
        unused = [p.sum() for p in self.tokenizer.quantizer.parameters() if p.requires_grad]
        return output + 0 * sum(unused), None


def compile_tokenizer(tokenizer: Tokenizer) -> None:
    """torch.compile `tokenizer` in place, so that gradients at its output can be taken twice.

    They are where an adaptive weight waits for all micro-batches; the compiled backward pass may
    then not reuse the memory of what it was given.
    """
    torch._functorch.config.donated_buffer = False
    tokenizer.compile()


def parallel(forward: nn.Module) -> DistributedDataParallel:
    """`forward` with gradients averaged over ranks, and buffers left alone.

    The quantizer reduces its own state over ranks: copying the first rank's would undo it.
    """
    known = inspect.signature(DistributedDataParallel.__init__).parameters
    renamed = "forward_sync_buffers"  # of broadcast_buffers, in recent versions
    keyword: dict[str, Any] = {renamed if renamed in known else "broadcast_buffers": False}
    return DistributedDataParallel(forward, **keyword)


@torch.no_grad()
def survey(tokenizer: Tokenizer, inputs: Sequence[Tensor], precision: Precision) -> None:
    """Show the quantizer the latents of a whole step before the first pass that is differentiated.

    inputs: the step's micro-batches (b, C, H, W) in [-1, 1]. The encoder runs as it will then; its
    buffers (running statistics) and torch's generators are afterwards as if it had not.
    """
    devices = [precision.device] if precision.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        for latents in encoded(tokenizer, inputs, precision):
            tokenizer.quantizer.survey(latents)


@torch.no_grad()
def encoded(
    tokenizer: Tokenizer, inputs: Sequence[Tensor], precision: Precision
) -> Iterator[Tensor]:
    """Latents (b, D, h, w) of each of the `inputs`; the encoder's buffers stay as they are."""
    buffers = {name: buffer.clone() for name, buffer in tokenizer.encoder.named_buffers()}
    for images in inputs:
        with precision.autocast():
            yield functional_call(tokenizer.encoder, buffers, (images,))


def tokenizer_in(forward: nn.Module) -> Tokenizer:
    """The tokenizer of a TrainingForward, whether DDP is around it or not."""
    module = forward.module if isinstance(forward, DistributedDataParallel) else forward
    assert isinstance(module, TrainingForward)
    return module.tokenizer


def synchronised_if(forward: nn.Module, synchronise: bool) -> AbstractContextManager[Any]:
    """A context whose backward passes average gradients over ranks only if `synchronise`."""
    if isinstance(forward, DistributedDataParallel) and not synchronise:
        return forward.no_sync()
    return nullcontext()


def reseed(seed: int, *, rank: int, step: int) -> None:
    """Set torch's generators from (seed, rank, step), so that resuming needs no generator state."""
    mixed = _mix(seed, rank, step)
    torch.default_generator.manual_seed(mixed)  # torch.manual_seed costs .5 ms on a CPU
    if torch.cuda.is_available():
        torch.cuda.manual_seed(mixed)


def shared_generator(seed: int, *, step: int, stream: int = 0) -> torch.Generator:
    """A CPU generator that is the same on every rank: for draws about the whole global batch.

    `stream` 0 or 1: draws of one do not depend on how many the other took.
    """
    return torch.Generator().manual_seed(_mix(seed, -1 - stream, step))


def _mix(seed: int, rank: int, step: int) -> int:
    """A well spread 63-bit seed: neighbouring (seed, rank, step) must not give related streams."""
    state = (seed * 0x9E3779B97F4A7C15 + (rank + 2) * 0xBF58476D1CE4E5B9 + step) % 2**64
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) % 2**64
    return (state ^ (state >> 31)) >> 1
