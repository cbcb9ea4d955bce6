"""One side's work: forward and backward of a quantizer in training mode.

Axes: B images of SIDE x SIDE latents, N = B SIDE^2 tokens, D latent width.
"""

import torch
from torch import Tensor, nn

from vqx.quantizers.base import Quantized, Quantizer

SIDE = 16


class Pass:
    """A training step's forward, backward and codebook update of `module`; no optimizer.

    Latents (B, D, SIDE, SIDE) ~ N(0, 1) in `dtype`, under autocast if that is not float32; the
    gradient of the output is random and fixed.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        tokens: int,
        width: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        shape = (tokens // SIDE**2, width, SIDE, SIDE)
        self.module, self.dtype = module, dtype
        for part in module.modules():
            if isinstance(part, Quantizer):
                part.statistics = False  # the peer gathers none
        self.z = torch.randn(shape, device=device).to(dtype).requires_grad_()
        gradient = torch.randn(shape, device=device)
        self._gradients = {kind: gradient.to(kind) for kind in {torch.float32, dtype}}

    def __call__(self) -> None:
        """One pass; the gradients stay until the next."""
        self.clear()
        kind = self.z.device.type
        with torch.autocast(kind, torch.bfloat16, enabled=self.dtype != torch.float32):
            latents, loss = outputs(self.module, self.z)
        ends: list[Tensor] = [latents]
        gradients: list[Tensor | None] = [self._gradients[latents.dtype]]
        if loss is not None and loss.requires_grad:
            ends.append(loss)
            gradients.append(None)
        torch.autograd.backward(ends, gradients)
        if isinstance(self.module, Quantizer):
            self.module.update_codebook()

    def clear(self) -> None:
        """Drop all gradients."""
        self.z.grad = None
        self.module.zero_grad(set_to_none=True)


def outputs(module: nn.Module, z: Tensor) -> tuple[Tensor, Tensor | None]:
    """Latents and loss () of vqx's quantizers and of vector-quantize-pytorch's."""
    out = module(z)
    if isinstance(out, Quantized):
        return out.latents, out.loss
    return out[0], out[2].sum() if len(out) > 2 else None
