"""One optimizer step, and the forward pass it differentiates.

Shapes: images uint8 (B, C, H, W); the model sees float32 [-1, 1]; codes (B, h, w[, Q]).
"""

import inspect
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.parallel import DistributedDataParallel

from vqx.models import Tokenizer
from vqx.training.health import CodebookHealth
from vqx.training.precision import Precision


def to_float(images: Tensor) -> Tensor:
    """uint8 `images` as float32 in [-1, 1]."""
    return images.float().div_(127.5).sub_(1)


class TrainingForward(nn.Module):
    """Tokenizer and losses as one module: DDP sees a single forward pass."""

    def __init__(self, tokenizer: Tokenizer, losses: nn.Module) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.losses = losses

    def forward(self, images: Tensor, step: int) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Total loss () of uint8 `images`, every term and statistic by name, and the codes."""
        target = to_float(images)
        reconstruction, quantized = self.tokenizer(target)
        total, terms = self.losses(reconstruction, target, step=step)
        values = {**terms, "quantizer": quantized.loss, **quantized.stats}
        return total + quantized.loss, values, quantized.codes


def parallel(forward: nn.Module) -> DistributedDataParallel:
    """`forward` with gradients averaged over ranks, and buffers left alone.

    The quantizer reduces its own state over ranks: copying the first rank's would undo it.
    """
    known = inspect.signature(DistributedDataParallel.__init__).parameters
    renamed = "forward_sync_buffers"  # of broadcast_buffers, in recent versions
    keyword: dict[str, Any] = {renamed if renamed in known else "broadcast_buffers": False}
    return DistributedDataParallel(forward, **keyword)


def train_step(
    forward: nn.Module,
    micro_batches: Sequence[Tensor],
    *,
    step: int,
    batch_size: int,
    world_size: int,
    health: CodebookHealth,
    optimizer: torch.optim.Optimizer,
    parameters: list[nn.Parameter],
    precision: Precision,
    clip_norm: float | None,
) -> dict[str, Tensor]:
    """Move the weights once by the gradient of the mean loss over the global batch.

    Each micro-batch counts by its number of images, ragged ones included; DDP averages over ranks
    only in the last one's backward pass. A quantizer whose loss is one of the whole batch sees all
    of it first. Returns this rank's share of each mean value, detached; codes go to `health`.
    """
    optimizer.zero_grad(set_to_none=True)
    tokenizer = _tokenizer_in(forward)
    if len(micro_batches) > 1 and tokenizer.quantizer.needs_survey:
        survey(tokenizer, micro_batches, precision)
    totals: dict[str, Tensor] = {}
    for index, images in enumerate(micro_batches):
        share = images.shape[0] * world_size / batch_size
        with _synchronised_if(forward, index == len(micro_batches) - 1):
            with precision.autocast():
                loss, values, codes = forward(images, step)
            precision.backward(loss * share)
        health.observe(codes, step=step)
        for name, value in {**values, "loss": loss}.items():
            totals[name] = totals.get(name, 0) + value.detach().float() * share
    totals["gradient_norm"] = precision.update(optimizer, parameters, clip_norm)
    return totals


@torch.no_grad()
def survey(tokenizer: Tokenizer, micro_batches: Sequence[Tensor], precision: Precision) -> None:
    """Show the quantizer the latents of a whole step before the first pass that is differentiated.

    The encoder runs as it will then; its buffers (running statistics) and torch's generators are
    afterwards as if it had not.
    """
    buffers = {name: buffer.clone() for name, buffer in tokenizer.encoder.named_buffers()}
    devices = [precision.device] if precision.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        for images in micro_batches:
            with precision.autocast():
                latents = functional_call(tokenizer.encoder, buffers, (to_float(images),))
                tokenizer.quantizer.survey(latents)


def _tokenizer_in(forward: nn.Module) -> Tokenizer:
    module = forward.module if isinstance(forward, DistributedDataParallel) else forward
    assert isinstance(module, TrainingForward)
    return module.tokenizer


def _synchronised_if(forward: nn.Module, synchronise: bool) -> AbstractContextManager[Any]:
    if isinstance(forward, DistributedDataParallel) and not synchronise:
        return forward.no_sync()
    return nullcontext()


def reseed(seed: int, *, rank: int, step: int) -> None:
    """Set torch's generators from (seed, rank, step), so that resuming needs no generator state."""
    mixed = _mix(seed, rank, step)
    torch.default_generator.manual_seed(mixed)  # torch.manual_seed costs .5 ms on a CPU
    if torch.cuda.is_available():
        torch.cuda.manual_seed(mixed)


def shared_generator(seed: int, *, step: int) -> torch.Generator:
    """A CPU generator that is the same on every rank: for draws about the whole global batch."""
    return torch.Generator().manual_seed(_mix(seed, -1, step))


def _mix(seed: int, rank: int, step: int) -> int:
    """A well spread 63-bit seed: neighbouring (seed, rank, step) must not give related streams."""
    state = (seed * 0x9E3779B97F4A7C15 + (rank + 2) * 0xBF58476D1CE4E5B9 + step) % 2**64
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) % 2**64
    return (state ^ (state >> 31)) >> 1
