"""Residual quantization: each stage quantizes what the stages before it left over.

Axes: B images, h w latent positions, D latent width, Q stages.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from vqx.errors import ConfigError
from vqx.quantizers.base import Quantized, Quantizer, to_rows
from vqx.quantizers.checks import require_sizes
from vqx.quantizers.composite import (
    Composite,
    copies,
    join_codes,
    mean_stats,
    split_codes,
)
from vqx.quantizers.dropout import ABSENT, draw_stages
from vqx.quantizers.estimator import rotation, straight_through
from vqx.quantizers.restart import Restart
from vqx.quantizers.stages import check_base, is_trained_through


class Residual(Composite):
    """Residual quantization with Q stages of `base` (Lee et al. 2022, arXiv 2203.01941, section 3).

    r_0 = z; stage i gives q_i = scale^i base(r_i / scale^i), r_{i+1} = r_i - sg(q_i); the latents
    are q_0 + q_1 + ..., summed in this order. codes (B, h, w, Q), (B, h, w) for one stage; `decode`
    takes any first few of them, and ABSENT = -1 for a stage that an image does without.

    Loss: the sum (not the mean) of the stages'. Since r_i = z - sg(q_0 + ... + q_{i-1}), their
    commitment terms have the gradient of |z - sg(q_0 + ... + q_i)|^2 summed over i (equation 8).
    With a scale below 1 a stage's loss is in units of its own input r_i / scale^i; the gradient it
    sends to z is that of r_i times scale^i, so that commitment counts in units of z.

    The gradient of the latents reaches z once, by the base's estimator (straight through, or the
    rotation of z onto the whole sum), and not once a stage. A base whose latents pass a gradient to
    its own parameters would lose it and is refused at the first training-mode forward.

    shared: one codebook for all stages. It sees the latents of all stages in a step and moves once
    by all of them; data-dependent initialisation is done from z, then again from what all stages
    of that codebook see.
    quantizer_dropout: the probability that a training image keeps only a random number of stages
    (`draw_stages`). The other stages do not see it: not their statistics, and their loss is summed
    over the images they see and divided by all B. How many that is, is drawn on the CPU, so there
    is no waiting for the device; the pass is not compiled.
    stats: `residual_ratio_i`, |r_i|^2 / |z|^2 after i stages (after all of them it is
    `commitment_ratio`), and the mean over stages of the base's own.

    Refused is a base whose latents stand for another thing than z (FSQ's for a squashed z: see
    ResidualFSQ), and at a scale of 1 or more one whose entries all have one length (LFQ, BSQ,
    cosine): its stages would undo each other.
    """

    commitment_weight = None
    codebook_weight = None

    def __init__(
        self,
        base: Quantizer,
        stages: int,
        *,
        shared: bool = False,
        scale: float = 1.0,
        quantizer_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        require_sizes(stages=stages)
        self.stages = stages
        if not scale > 0:
            raise ConfigError(f"scale {scale}: use a number above 0")
        if not 0 <= quantizer_dropout < 1:
            raise ConfigError(
                f"quantizer_dropout {quantizer_dropout}: use a probability from 0 to less than 1"
            )
        self.shared, self.scale, self.quantizer_dropout = shared, scale, quantizer_dropout
        check_base(
            base, stages=stages, shared=shared, scale=scale, has_dropout=quantizer_dropout > 0
        )
        self.codebook_size, self.latent_channels = base.codebook_size, base.latent_channels
        self.codebooks = stages
        self.stochastic = base.stochastic or quantizer_dropout > 0
        self.parts = copies(base, 1 if shared else stages)
        rotates = getattr(base, "estimator", "ste") == "rotation"
        self._estimate = rotation if rotates else straight_through
        self._gradient_checked = False

    def quantize(self, z: Tensor) -> Quantized:
        """Codes of all stages for z (B, D, h, w) float32."""
        if self.training and self.quantizer_dropout:
            return self._quantize_with_dropout(z)
        restarts = self._collecting_restarts()
        for restart in restarts:
            restart.collecting = False
        out, inputs = self._quantize(z, [None] * self.stages)
        for restart in restarts:
            restart.collecting = True
            restart.observe(self._rows_by_image(inputs))
        return out

    @torch.compiler.disable  # the number of images a stage sees changes at every step
    def _quantize_with_dropout(self, z: Tensor) -> Quantized:
        cpu = torch.device("cpu")
        kept = draw_stages(len(z), self.stages, self.quantizer_dropout, device=cpu)
        seen = [(kept > i).nonzero()[:, 0] for i in range(self.stages)]
        every = [None if len(n) == len(z) else n.to(z.device, non_blocking=True) for n in seen]
        return self._quantize(z, every)[0]

    def _quantize(self, z: Tensor, seen: Sequence[Tensor | None]) -> tuple[Quantized, list[Tensor]]:
        """The result, and what each stage saw: the images of indices `seen`, None for all."""
        residual, total, loss = z, z, z.new_zeros(())
        inputs, codes, stats, left = [], [], [], []
        for i, (stage, images) in enumerate(zip(self._each_stage(), seen, strict=True)):
            inputs.append(_images(self._stage_input(residual, i), images))
            out = stage.quantize(inputs[-1])
            self._check_gradient(stage, out)
            latents = self._rescaled(_spread(out.latents.detach(), images, len(z), fill=0), i)
            codes.append(_spread(out.codes, images, len(z), fill=ABSENT))
            stats.append(out.stats)
            loss = loss + out.loss * (len(out.codes) / len(z))
            total, residual = _added(total, latents, i), residual - latents
            if self.statistics:
                left.append(residual.detach())
        own = {**_ratios(z.detach(), left[:-1]), **mean_stats(stats)}
        return Quantized(self._estimate(z, total), join_codes(codes), loss, own), inputs

    def decode(self, codes: Tensor) -> Tensor:
        """Sum of the stages' latents (B, D, h, w) of `codes` (B, h, w, q), q <= Q; -1 adds 0."""
        columns = split_codes(codes, self.stages, most=self.stages)
        total = columns[0]
        for i, (stage, column) in enumerate(zip(self._each_stage(), columns, strict=False)):
            latents = self._rescaled(stage.decode(column.clamp(min=0)), i)
            latents = torch.where((column == ABSENT)[:, None], 0.0, latents)
            total = _added(total, latents, i)
        return total

    @torch.no_grad()
    def initialize(self, z: Tensor, *, generator: torch.Generator | None = None) -> None:
        """Set the codebooks stage by stage, each from what the stages before it leave of z."""
        z = z.detach().float()
        if self.shared:
            (stage,) = self.quantizers
            stage.initialize(z, generator=generator)
            # Image by image, so that the order is the same for any split of the batch over ranks.
            inputs = torch.stack([x for _, x in self._walk(z)], dim=1)
            stage.initialize(inputs.flatten(0, 1), generator=generator)
            return
        for stage, x in self._walk(z):
            stage.initialize(x, generator=generator)

    def survey_float(self, z: Tensor) -> None:
        """Let every stage that needs it see its part of z (B, D, h, w)."""
        for stage, x in self._walk(z):
            if stage.needs_survey:
                stage.survey_float(x)

    def extra_repr(self) -> str:
        """What is not seen from the parts."""
        dropout = f", quantizer_dropout={self.quantizer_dropout}" if self.quantizer_dropout else ""
        return f"stages={self.stages}, shared={self.shared}, scale={self.scale}{dropout}"

    def _walk(self, z: Tensor) -> Iterator[tuple[Quantizer, Tensor]]:
        """Each stage with its input, then quantized without a trace in its state."""
        residual = z
        for i, stage in enumerate(self._each_stage()):
            x = self._stage_input(residual, i)
            yield stage, x
            if i + 1 == self.stages:
                return
            training = stage.training
            latents = stage.eval().quantize(x).latents
            stage.train(training)
            residual = residual - self._rescaled(latents, i)

    def _each_stage(self) -> list[Quantizer]:
        return self.quantizers * self.stages if self.shared else self.quantizers

    def _stage_input(self, residual: Tensor, stage: int) -> Tensor:
        """residual / scale^i, with the gradient of residual scale^i."""
        if self.scale == 1 or stage == 0:
            return residual
        size = self.scale**stage
        return straight_through(residual * size, residual / size)

    def _rescaled(self, latents: Tensor, stage: int) -> Tensor:
        return latents if self.scale == 1 or stage == 0 else latents * self.scale**stage

    def _collecting_restarts(self) -> list[Restart]:
        """Restarts of a shared codebook that want this batch's latents."""
        if not (self.shared and self.training):
            return []
        restarts = [module for module in self.modules() if isinstance(module, Restart)]
        return [restart for restart in restarts if restart.collecting]

    def _rows_by_image(self, inputs: list[Tensor]) -> Tensor:
        """What a shared codebook compared, (N Q, D), all stages of an image together.

        In the order of stages, a restart would draw otherwise for another split of the batch.
        """
        (stage,) = self.quantizers
        together = torch.stack([stage.compared(x.detach()) for x in inputs], dim=1)
        return to_rows(together.flatten(0, 1))

    def _check_gradient(self, stage: Quantizer, out: Quantized) -> None:
        """Refuse a base whose latents train its parameters: that gradient would be lost here."""
        if self._gradient_checked or not self.training or torch.compiler.is_compiling():
            return
        if out.latents.requires_grad and is_trained_through(out.latents, stage):
            name = type(stage).__name__
            raise ConfigError(
                f"Residual of {name}: the gradient of its latents trains its parameters, and with "
                "that of every stage would reach z too often; use a base trained by its own loss, "
                "like VQ or EMA"
            )
        self._gradient_checked = out.latents.requires_grad


def _images(x: Tensor, images: Tensor | None) -> Tensor:
    return x if images is None else x.index_select(0, images)


def _added(total: Tensor, latents: Tensor, stage: int) -> Tensor:
    """The one order of summation, of forward and decode: their bits must be equal."""
    return latents if stage == 0 else total + latents


@torch.no_grad()
def _ratios(z: Tensor, left: Sequence[Tensor]) -> dict[str, Tensor]:
    squares = z.square().sum().clamp(min=torch.finfo(z.dtype).tiny)
    return {f"residual_ratio_{i}": r.square().sum() / squares for i, r in enumerate(left, start=1)}


def _spread(x: Tensor, images: Tensor | None, count: int, *, fill: float) -> Tensor:
    """`x` of some images as a tensor of all `count`, the others being `fill`."""
    if images is None:
        return x
    return x.new_full((count, *x.shape[1:]), fill).index_copy_(0, images, x)
