"""GAN objectives against closed forms and cross-entropy, for both players."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vqx.errors import ConfigError
from vqx.losses.objectives import discriminator_objective, generator_objective, lecam_penalty


def logits() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    real, fake = torch.randn(2, 5, 1, 3, 3, generator=generator) * 2
    return real, fake


def test_hinge_is_its_definition() -> None:
    real, fake = logits()
    expected = sum(max(0.0, 1 - x) for x in real.flatten().tolist()) / real.numel()
    expected += sum(max(0.0, 1 + x) for x in fake.flatten().tolist()) / fake.numel()
    value = float(discriminator_objective("hinge", real=real, fake=fake))
    assert value == pytest.approx(expected, rel=1e-6)
    assert float(generator_objective("hinge", fake=fake)) == pytest.approx(-float(fake.mean()))


def test_non_saturating_is_cross_entropy() -> None:
    real, fake = logits()
    of_real = F.binary_cross_entropy_with_logits(real, torch.ones_like(real))
    of_fake = F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
    value = discriminator_objective("non_saturating", real=real, fake=fake)
    torch.testing.assert_close(value, of_real + of_fake)
    deceived = F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))
    torch.testing.assert_close(generator_objective("non_saturating", fake=fake), deceived)


def test_known_values_at_zero() -> None:
    zero = torch.zeros(3, 1)
    assert float(discriminator_objective("hinge", real=zero, fake=zero)) == 2
    assert float(discriminator_objective("non_saturating", real=zero, fake=zero)) == pytest.approx(
        2 * math.log(2)
    )


@pytest.mark.parametrize("objective", ["hinge", "non_saturating"])
def test_the_players_pull_in_their_directions(objective: Any) -> None:
    real, fake = torch.zeros(4, 1, requires_grad=True), torch.zeros(4, 1, requires_grad=True)
    discriminator_objective(objective, real=real, fake=fake).backward()
    assert real.grad is not None
    assert fake.grad is not None
    assert (real.grad < 0).all()  # the discriminator raises real logits
    assert (fake.grad > 0).all()  # and lowers fake ones,
    fake.grad = None
    generator_objective(objective, fake=fake).backward()
    assert (fake.grad < 0).all()  # which the generator raises


@pytest.mark.parametrize("objective", ["hinge", "non_saturating"])
def test_real_and_fake_cannot_be_given_by_position(objective: Any) -> None:
    real, fake = logits()
    positional: Any = discriminator_objective
    with pytest.raises(TypeError):
        positional(objective, real, fake)
    with pytest.raises(TypeError):
        positional(objective, real, fake=fake)


def test_an_unknown_objective_is_refused() -> None:
    wrong: Any = "wasserstein"
    with pytest.raises(ConfigError, match=r"wasserstein.*hinge, non_saturating"):
        generator_objective(wrong, fake=torch.zeros(1))


def test_lecam_by_hand() -> None:
    real, fake = torch.tensor([2.0, -3.0]), torch.tensor([1.0, 0.5, -2.0])
    value = lecam_penalty(
        real=real,
        fake=fake,
        average_real=torch.tensor(0.75),
        average_fake=torch.tensor(-1.0),
    )
    # relu(2 + 1)^2, relu(-3 + 1)^2; relu(.75 - 1)^2, relu(.75 - .5)^2, relu(.75 + 2)^2
    assert float(value) == pytest.approx((9 + 0) / 2 + (0 + 0.0625 + 7.5625) / 3)
