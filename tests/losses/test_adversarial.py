"""The adversarial term: whose parameters move when, and what it returns."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.gloo import GlooPool
from tests.losses.discriminators import image_pair, patches
from vqx.collectives import rank, sum_over_ranks
from vqx.errors import ConfigError
from vqx.losses.adversarial import Adversarial
from vqx.losses.objectives import discriminator_objective, generator_objective, lecam_penalty


@pytest.mark.parametrize("objective", ["hinge", "non_saturating"])
def test_the_generators_gradient_reaches_the_reconstruction_alone(objective: Any) -> None:
    loss = Adversarial(patches(), objective=objective)
    fake, real = (image.requires_grad_() for image in image_pair())
    value = loss(fake, real)
    value.backward()
    expected = generator_objective(objective, fake=loss.discriminator(fake))
    torch.testing.assert_close(value, expected)
    assert value.shape == ()
    assert fake.grad is not None
    assert float(fake.grad.abs().sum()) > 0
    assert real.grad is None
    assert all(p.grad is None for p in loss.discriminator.parameters())


def test_parameters_require_gradients_inside_the_context_alone() -> None:
    network = patches()
    network[0].bias.requires_grad_(False)  # a frozen part stays frozen
    loss = Adversarial(network)
    parameters = list(loss.discriminator.parameters())
    assert not any(p.requires_grad for p in parameters)
    with loss.training_discriminator():
        assert [p.requires_grad for p in parameters] == [True, False, True, True]
    assert not any(p.requires_grad for p in parameters)
    with pytest.raises(KeyError), loss.training_discriminator():
        raise KeyError
    assert not any(p.requires_grad for p in parameters)


def test_the_generators_loss_inside_the_context_is_refused() -> None:
    loss = Adversarial(patches())
    with loss.training_discriminator(), pytest.raises(RuntimeError, match="training_discrim"):
        loss(*image_pair())


def test_the_discriminators_loss_is_objective_plus_lecam() -> None:
    loss = Adversarial(patches(), objective="non_saturating", lecam_weight=0.3)
    real, fake = image_pair()
    loss.discriminator_loss(real, fake)
    loss.update_averages()
    average_real, average_fake = loss.averages.clone()
    of_real, of_fake = loss.discriminator(fake), loss.discriminator(real)  # now swapped
    penalty = lecam_penalty(
        real=of_real, fake=of_fake, average_real=average_real, average_fake=average_fake
    )
    value, stats = loss.discriminator_loss(fake, real)
    objective = discriminator_objective("non_saturating", real=of_real, fake=of_fake)
    torch.testing.assert_close(value, objective + 0.3 * penalty)
    assert float(penalty) > 0
    assert {name: float(stat) for name, stat in stats.items()} == pytest.approx(
        {
            "logits_real": float(of_real.mean()),
            "logits_fake": float(of_fake.mean()),
            "lecam": float(penalty),
        }
    )


def test_the_discriminators_gradient_stays_in_the_discriminator() -> None:
    loss = Adversarial(patches(), lecam_weight=1.0)
    real, fake = (image.requires_grad_() for image in image_pair())
    with loss.training_discriminator():
        value, stats = loss.discriminator_loss(real, fake)
        loss.update_averages()  # moving the buffers may come before the backward pass
        value.backward()
    assert real.grad is fake.grad is None
    assert all(p.grad is not None for p in loss.discriminator.parameters())
    assert not any(stat.requires_grad for stat in stats.values())
    assert all(stat.shape == () for stat in stats.values())


def test_a_few_steps_tell_real_from_fake() -> None:
    loss = Adversarial(patches(), objective="hinge", r1_gamma=0.1, r1_interval=2)
    real, fake = image_pair()
    optimizer = torch.optim.Adam(loss.discriminator.parameters(), lr=1e-2)
    for step in range(30):
        optimizer.zero_grad()
        with loss.training_discriminator():
            value, stats = loss.discriminator_loss(real * 0.1 + 0.5, fake * 0.1 - 0.5)
            if loss.r1_due(step):
                value = value + loss.r1_interval * loss.r1_penalty(real)
            value.backward()
        optimizer.step()
    assert float(stats["logits_real"]) > float(stats["logits_fake"]) + 0.5


def test_it_runs_in_the_callers_autocast_and_returns_float32() -> None:
    seen: list[torch.dtype] = []
    network = patches()
    network[2].register_forward_hook(lambda *call: seen.append(call[-1].dtype))
    loss = Adversarial(network)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(*image_pair())
        of_discriminator, stats = loss.discriminator_loss(*image_pair())
        assert seen == [torch.bfloat16] * 3
        loss.r1_penalty(image_pair()[0])
    assert seen[-1] == torch.float32
    assert value.dtype == of_discriminator.dtype == stats["lecam"].dtype == torch.float32


def test_a_factory_is_called_once_the_images_are_known() -> None:
    def factory(*, image_channels: int, image_size: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(image_channels * image_size**2, 1))

    loss = Adversarial(factory)
    assert list(loss.parameters()) == []
    with pytest.raises(RuntimeError, match="attach"):
        loss(*image_pair())
    loss.attach(image_channels=3, image_size=8)
    built = loss.discriminator
    loss.attach(image_channels=3, image_size=8)
    assert loss.discriminator is built
    assert not any(p.requires_grad for p in loss.parameters())
    assert loss(*image_pair()).shape == ()
    Adversarial(patches()).attach(image_channels=3, image_size=8)  # a module needs no building


def test_averages_and_network_are_in_the_checkpoint() -> None:
    loss, restored = Adversarial(patches()), Adversarial(patches())
    real, fake = image_pair()
    loss.discriminator_loss(real, fake)
    loss.update_averages()
    state = loss.state_dict()
    assert {"averages", "steps_averaged"} < set(state)
    assert "_sums" not in state
    assert any(name.startswith("discriminator.") for name in state)
    restored.load_state_dict(state)
    for each in (loss, restored):
        each.discriminator_loss(fake, real)
        each.update_averages()
    assert torch.equal(loss.averages, restored.averages)
    assert int(restored.steps_averaged) == 2


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("objective", "wasserstein"),
        ("adaptive", "lpips"),
        ("adaptive_eps", -1e-4),
        ("r1_gamma", -1.0),
        ("r1_interval", 0),
        ("lecam_weight", float("nan")),
        ("lecam_decay", 1.0),
        ("weight_decay", -0.1),
        ("learning_rate", 0.0),
        ("minimum_learning_rate", -1.0),
        ("clip_norm", 0.0),
        ("betas", (0.9, 1.0)),
        ("betas", (0.9,)),
    ],
)
def test_impossible_settings_are_refused(keyword: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=keyword if keyword != "objective" else "wasserstein"):
        Adversarial(patches(), **{keyword: value})


def rank_loss(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    loss = Adversarial(patches(), objective="hinge", lecam_weight=0.5)
    part = slice(3 * rank(), 3 * rank() + 3)
    loss.discriminator_loss(real[part], fake[part])
    loss.update_averages()
    value, _ = loss.discriminator_loss(fake[part], real[part])
    return sum_over_ranks(value) / 2, loss(fake[part], real[part]).detach()


def test_the_mean_over_ranks_is_the_loss_of_the_batch(two_ranks: GlooPool) -> None:
    real, fake = image_pair()
    loss = Adversarial(patches(), objective="hinge", lecam_weight=0.5)
    loss.discriminator_loss(real, fake)
    loss.update_averages()
    expected, _ = loss.discriminator_loss(fake, real)
    values = two_ranks(rank_loss, real, fake)
    for value, _ in values:
        torch.testing.assert_close(value, expected.detach())
    generators = torch.stack([share for _, share in values]).mean()
    torch.testing.assert_close(generators, loss(fake, real).detach())
