"""The adversarial term: a discriminator, what both players minimise, and its regularizers.

Axes: B images, C channels, H W pixels; float [-1, 1]. Logits (B, ...), high for real images.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn

from vqx.collectives import sum_over_ranks
from vqx.errors import ConfigError
from vqx.losses.objectives import (
    Objective,
    check_objective,
    discriminator_objective,
    generator_objective,
    lecam_penalty,
)

Adaptive = Literal["reconstruction", "perceptual"]


class Adversarial(nn.Module):
    """The generator's loss as a term, and everything that trains the discriminator it owns.

    `discriminator` maps images to logits (B, ...); or it is a factory, called by `attach`. Its
    parameters require gradients inside `training_discriminator` only, so that the generator's
    backward pass never reaches them.

    `adaptive`: the term's weight is multiplied by the ratio of gradients at the decoder's head, see
    `adaptive_weight`, against the sum of the "reconstruction" terms or the "perceptual" term alone
    (Esser et al. 2021, arXiv 2012.09841); None leaves it fixed. `r1_gamma`: see `r1_penalty`; 0 is
    off. `lecam_weight`: of LeCam's penalty, whose averages of the logits decay by `lecam_decay` a
    step. The rest is the discriminator's optimizer; None takes the trainer's value, but for
    `clip_norm`, of the discriminator's gradient: None is off, since it would undo the lazy R1.
    """

    averages: Tensor  # (2,): of the logits of real and of generated images
    steps_averaged: Tensor  # (): optimizer steps that have moved the averages
    _sums: Tensor  # (2, 2): sum and number of logits, real and generated, since the last step

    def __init__(
        self,
        discriminator: nn.Module | Callable[..., nn.Module],
        *,
        objective: Objective = "hinge",
        adaptive: Adaptive | None = None,
        adaptive_eps: float = 1e-4,
        adaptive_max: float = 1e4,
        r1_gamma: float = 0.0,
        r1_interval: int = 16,
        lecam_weight: float = 0.0,
        lecam_decay: float = 0.999,
        learning_rate: float | None = None,
        minimum_learning_rate: float | None = None,
        betas: tuple[float, float] | None = None,
        weight_decay: float | None = None,
        clip_norm: float | None = None,
    ) -> None:
        """Raises ConfigError for an unknown objective or switch, or a number out of its range."""
        super().__init__()
        check_objective(objective)
        if adaptive not in (None, "reconstruction", "perceptual"):
            raise ConfigError(f"adaptive {adaptive!r}: use null, reconstruction or perceptual")
        _check_numbers(adaptive_eps=adaptive_eps, adaptive_max=adaptive_max, r1_gamma=r1_gamma)
        _check_numbers(lecam_weight=lecam_weight)
        _check_optimizer(learning_rate, minimum_learning_rate, betas, weight_decay, clip_norm)
        _check_steps(r1_interval, lecam_decay)
        self.objective: Objective = objective
        self.adaptive, self.adaptive_eps, self.adaptive_max = adaptive, adaptive_eps, adaptive_max
        self.r1_gamma, self.r1_interval = r1_gamma, r1_interval
        self.lecam_weight, self.lecam_decay = lecam_weight, lecam_decay
        self.learning_rate, self.minimum_learning_rate = learning_rate, minimum_learning_rate
        self.betas = None if betas is None else (betas[0], betas[1])
        self.weight_decay, self.clip_norm = weight_decay, clip_norm
        self._register_averages()
        self._factory: Callable[..., nn.Module] | None = None
        if isinstance(discriminator, nn.Module):
            self._own(discriminator)
        else:
            self._factory = discriminator

    def attach(self, *, image_channels: int, image_size: int) -> None:
        """Build the discriminator for images (B, image_channels, image_size, image_size).

        Does nothing when it is there already.
        """
        if self._factory is not None:
            discriminator = self._factory(image_channels=image_channels, image_size=image_size)
            self._factory = None
            self._own(discriminator)

    def forward(self, reconstruction: Tensor, images: Tensor) -> Tensor:
        """The generator's loss () float32; gradients reach `reconstruction` alone.

        `images` play no part. The discriminator runs under the caller's autocast.
        """
        if any(parameter.requires_grad for parameter in self._network().parameters()):
            raise RuntimeError("the generator's loss was asked for inside training_discriminator()")
        return generator_objective(self.objective, fake=self._logits(reconstruction))

    @contextmanager
    def training_discriminator(self) -> Iterator[None]:
        """Inside, the discriminator's parameters require gradients."""
        self._require_gradients(True)
        try:
            yield
        finally:
            self._require_gradients(False)

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """What the discriminator minimises () float32, R1 apart, and detached statistics ().

        `real` and `fake` (B, C, H, W) are detached. LeCam uses the averages from before this
        optimizer step; the logits of all calls move them in `update_averages`.
        """
        real_logits, fake_logits = self._logits(real.detach()), self._logits(fake.detach())
        self._remember(real=real_logits.detach(), fake=fake_logits.detach())
        average_real, average_fake = self.averages.unbind()
        penalty = lecam_penalty(
            real=real_logits,
            fake=fake_logits,
            average_real=average_real,
            average_fake=average_fake,
        )
        # Before the first step there is no average to be held to.
        penalty = torch.where(self.steps_averaged > 0, penalty, 0.0)
        loss = discriminator_objective(self.objective, real=real_logits, fake=fake_logits)
        stats = {
            "logits_real": real_logits.detach().mean(),
            "logits_fake": fake_logits.detach().mean(),
            "lecam": penalty.detach(),
        }
        return loss + self.lecam_weight * penalty, stats

    def r1_due(self, step: int) -> bool:
        """Whether R1 is added at `step`, counted from the discriminator's first step."""
        return self.r1_gamma > 0 and step % self.r1_interval == 0

    def r1_penalty(self, real: Tensor) -> Tensor:
        """R1 (Mescheder et al. 2018, arXiv 1801.04406): gamma/2 |grad_x D(x)|^2, mean over images.

        () float32, in float32 whatever autocast says, and differentiable in the discriminator's
        weights. D(x) is the sum of an image's logits. In StyleGAN2's lazy form (Karras et al. 2020,
        arXiv 1912.04958) it is due every `r1_interval` steps, and then counts that many times.
        """
        with torch.autocast(real.device.type, enabled=False), torch.enable_grad():
            images = real.detach().float().requires_grad_()
            total = self._logits(images).sum()
            (slope,) = torch.autograd.grad(total, images, create_graph=True)
        return self.r1_gamma / 2 * slope.square().sum((1, 2, 3)).mean()

    @torch.no_grad()
    def update_averages(self) -> None:
        """Move LeCam's averages by the logits since the last call, of all ranks; once a step.

        The first step sets them. A step whose logits are not finite (fp16's overflow, which the
        loss scaler skips) leaves them alone.
        """
        sums, counts = sum_over_ranks(self._sums).unbind(1)
        self._sums.zero_()
        means = (sums / counts).float()
        decay = torch.where(self.steps_averaged > 0, self.lecam_decay, 0.0)
        usable = means.isfinite().all()  # nothing seen: 0 / 0
        moved = decay * self.averages + (1 - decay) * means
        self.averages.copy_(torch.where(usable, moved, self.averages))
        self.steps_averaged += usable

    def _register_averages(self) -> None:
        self.register_buffer("averages", torch.zeros(2))
        self.register_buffer("steps_averaged", torch.zeros((), dtype=torch.int64))
        # Empty between optimizer steps, when checkpoints are written.
        self.register_buffer("_sums", torch.zeros(2, 2, dtype=torch.float64), persistent=False)

    def _own(self, discriminator: nn.Module) -> None:
        parameters = discriminator.named_parameters()
        self._trainable = frozenset(name for name, p in parameters if p.requires_grad)
        self.discriminator = discriminator
        self._require_gradients(False)

    def _require_gradients(self, require: bool) -> None:
        for name, parameter in self._network().named_parameters():
            parameter.requires_grad_(require and name in self._trainable)

    def _network(self) -> nn.Module:
        if self._factory is not None:
            raise RuntimeError("the discriminator is not built yet: call attach() first")
        return self.discriminator

    def _logits(self, images: Tensor) -> Tensor:
        logits: Tensor = self._network()(images)
        return logits.float()

    @torch.no_grad()
    def _remember(self, *, real: Tensor, fake: Tensor) -> None:
        sums = torch.stack([real.double().sum(), fake.double().sum()])
        # Filled on the device: new_tensor() would wait for it.
        counts = torch.stack([sums.new_full((), x.numel()) for x in (real, fake)])
        self._sums += torch.stack([sums, counts], dim=1)


@torch.no_grad()
def adaptive_weight(
    reference: Sequence[Tensor], adversarial: Sequence[Tensor], *, eps: float, maximum: float
) -> Tensor:
    """|reference| / (|adversarial| + eps) (), detached, clamped to [0, maximum].

    Both are gradients of the decoder's head, one tensor a parameter, of the loss terms that the GAN
    is weighed against and of the generator's loss; each norm is over all of them together. Give
    them unscaled (fp16) and, where there are many ranks, averaged over these (Esser et al. 2021,
    arXiv 2012.09841, equation 7).
    """
    ratio = _norm(reference) / (_norm(adversarial) + eps)
    return ratio.clamp(0, maximum)


def _norm(tensors: Sequence[Tensor]) -> Tensor:
    """Euclidean norm () float32 of all elements."""
    return torch.linalg.vector_norm(torch.stack([t.float().norm() for t in tensors]))


def _check_steps(r1_interval: int, lecam_decay: float) -> None:
    if type(r1_interval) is not int or r1_interval < 1:
        raise ConfigError(f"r1_interval {r1_interval}: use a whole number of steps, 1 or more")
    if not 0 <= lecam_decay < 1:
        raise ConfigError(f"lecam_decay {lecam_decay}: use at least 0 and less than 1")


def _check_numbers(**numbers: float) -> None:
    for name, number in numbers.items():
        if not number >= 0:
            raise ConfigError(f"{name} {number}: use 0 or more")


def _check_optimizer(
    learning_rate: float | None,
    minimum_learning_rate: float | None,
    betas: Sequence[float] | None,
    weight_decay: float | None,
    clip_norm: float | None,
) -> None:
    """Raise ConfigError for what no optimizer takes; None is the trainer's value, or off."""
    for name, value in (("learning_rate", learning_rate), ("clip_norm", clip_norm)):
        if value is not None and not value > 0:
            raise ConfigError(f"{name} {value}: use a number above 0, or null")
    minimum = 0.0 if minimum_learning_rate is None else minimum_learning_rate
    decay = 0.0 if weight_decay is None else weight_decay
    _check_numbers(minimum_learning_rate=minimum, weight_decay=decay)
    if betas is not None and (len(betas) != 2 or not all(0 <= beta < 1 for beta in betas)):
        raise ConfigError(f"betas {betas}: use two numbers of at least 0 and less than 1, or null")
