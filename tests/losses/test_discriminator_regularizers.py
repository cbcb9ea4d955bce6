"""R1, LeCam's averages and the adaptive weight where the discriminator's gradient is known."""

import pytest
import torch
from torch import Tensor

from tests.gloo import GlooPool
from tests.losses.discriminators import (
    LinearDiscriminator,
    QuadraticDiscriminator,
    image_pair,
    patches,
)
from vqx.collectives import rank
from vqx.losses.adversarial import Adversarial, adaptive_weight


def test_r1_of_a_linear_discriminator() -> None:
    network = LinearDiscriminator(3, 8, 8)
    loss = Adversarial(network, r1_gamma=3.0)
    real, _ = image_pair()
    with loss.training_discriminator():
        value = loss.r1_penalty(real)
        value.backward()
    a = network.a.detach()
    assert value.dtype == torch.float32
    torch.testing.assert_close(value.detach(), 1.5 * a.square().sum())
    torch.testing.assert_close(network.a.grad, 3.0 * a)  # its own gradient: gamma a


def test_r1_against_finite_differences() -> None:
    network = QuadraticDiscriminator(3, 2, 2)
    loss = Adversarial(network, r1_gamma=0.8)
    real, _ = image_pair(4, 2)
    exact = QuadraticDiscriminator(3, 2, 2).double()
    total = 0.0
    for image in real.double():
        for index in range(image.numel()):
            step = torch.zeros(image.numel(), dtype=torch.float64)
            step[index] = 1e-4
            step = step.view_as(image)
            slope = (exact((image + step)[None]) - exact((image - step)[None])) / 2e-4
            total += float(slope.detach()) ** 2
    assert float(loss.r1_penalty(real).detach()) == pytest.approx(0.4 * total / len(real), rel=1e-5)


def test_r1s_gradient_in_the_weights_against_finite_differences() -> None:
    loss = Adversarial(patches(), r1_gamma=50.0)
    real, _ = image_pair(2)
    weight = loss.discriminator[0].weight
    with loss.training_discriminator():
        loss.r1_penalty(real).backward()
    assert weight.grad is not None
    direction = weight.grad / weight.grad.norm()
    values = []
    with torch.no_grad():
        for shift in (1e-2, -2e-2):
            weight += shift * direction
            values.append(float(loss.r1_penalty(real).detach()))
    assert (values[0] - values[1]) / 2e-2 == pytest.approx(float(weight.grad.norm()), rel=2e-2)


def test_r1_leaves_the_images_alone_and_is_a_mean_over_them() -> None:
    loss = Adversarial(patches(), r1_gamma=1.0)
    real = image_pair()[0].requires_grad_()
    with torch.no_grad():  # it needs gradients even where none are recorded
        whole = loss.r1_penalty(real)
    assert real.grad is None
    shards = [loss.r1_penalty(part) for part in real.split(2)]
    torch.testing.assert_close(torch.stack(shards).mean().detach(), whole.detach())


def test_r1_is_due_at_every_interval() -> None:
    loss = Adversarial(patches(), r1_gamma=1.0, r1_interval=4)
    assert [step for step in range(10) if loss.r1_due(step)] == [0, 4, 8]
    assert not Adversarial(patches(), r1_gamma=0.0).r1_due(0)


def batches(steps: int) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(2)
    pairs = torch.rand(steps, 2, 6, 3, 8, 8, generator=generator) * 2 - 1
    return [(real + 0.3 * step, fake) for step, (real, fake) in enumerate(pairs)]


def averaged(splits: tuple[int, ...], mine: slice = slice(None)) -> Tensor:
    """LeCam's averages after three steps whose batches come in parts of `splits` images."""
    loss = Adversarial(patches(), lecam_decay=0.7)
    for real, fake in batches(3):
        parts = zip(real[mine].split(splits), fake[mine].split(splits), strict=True)
        for some_real, some_fake in parts:
            loss.discriminator_loss(some_real, some_fake)
        loss.update_averages()
    assert int(loss.steps_averaged) == 3
    return loss.averages


def test_averages_are_a_moving_average_of_each_steps_mean_logits() -> None:
    network = patches()
    expected = None
    for pair in batches(3):
        means = [float(network(images).mean().detach()) for images in pair]
        if expected is None:
            expected = means
        else:
            expected = [0.7 * old + 0.3 * new for old, new in zip(expected, means, strict=True)]
    assert averaged((6,)).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("splits", [(3, 3), (4, 2), (1, 5), (1, 1, 1, 1, 1, 1)])
def test_micro_batches_do_not_change_the_averages(splits: tuple[int, ...]) -> None:
    torch.testing.assert_close(averaged(splits), averaged((6,)))


def rank_averages() -> Tensor:
    # Ranks of different size, one of them in two micro-batches.
    return averaged((4,), slice(0, 4)) if rank() == 0 else averaged((1, 1), slice(4, 6))


def test_averages_over_ranks_are_those_of_one_process(two_ranks: GlooPool) -> None:
    expected = averaged((6,))
    for averages in two_ranks(rank_averages):
        torch.testing.assert_close(averages, expected)


def test_micro_batches_are_all_held_to_the_averages_of_the_step_before() -> None:
    loss = Adversarial(patches(), lecam_weight=1.0, lecam_decay=0.0)
    (real, fake), *_ = batches(1)
    _, before = loss.discriminator_loss(real, fake)
    assert float(before["lecam"]) == 0  # nothing to be held to yet
    loss.update_averages()
    _, first = loss.discriminator_loss(fake, real)
    _, second = loss.discriminator_loss(fake, real)
    assert float(first["lecam"]) == float(second["lecam"]) > 0


def test_overflowing_logits_and_empty_steps_leave_the_averages_alone() -> None:
    loss = Adversarial(patches(), lecam_weight=1.0)
    real, fake = image_pair()
    loss.update_averages()
    assert int(loss.steps_averaged) == 0
    loss.discriminator_loss(real, fake)
    loss.update_averages()
    before = loss.averages.clone()
    loss.discriminator_loss(real * float("inf"), fake)
    loss.update_averages()
    assert torch.equal(loss.averages, before)
    loss.discriminator_loss(real, fake)
    loss.update_averages()
    torch.testing.assert_close(loss.averages, before)  # equal logits: nothing is left of inf


def test_adaptive_weight_of_a_linear_head() -> None:
    generator = torch.Generator().manual_seed(3)
    hidden, target = torch.randn(2, 5, 4, generator=generator)  # (B, features)
    head = torch.randn(4, 4, generator=generator, requires_grad=True)
    network = LinearDiscriminator(1, 2, 2)
    loss = Adversarial(network, objective="hinge")
    reconstruction = hidden @ head.T
    l2 = (reconstruction - target).square().mean()
    adversarial = loss(reconstruction.view(5, 1, 2, 2), target.view(5, 1, 2, 2))
    gradients = [torch.autograd.grad(x, head, retain_graph=True) for x in (l2, adversarial)]
    value = adaptive_weight(*gradients, eps=1e-4, maximum=1e4)
    # d L2 / dW = 2 / (B C H W) (x - y)^T h and d(-mean a.x) / dW = -a mean(h)^T.
    of_l2 = 2 / 20 * (reconstruction - target).T @ hidden
    a, mean = network.a.flatten(), hidden.mean(0)
    expected = of_l2.norm() / (a.norm() * mean.norm() + 1e-4)
    torch.testing.assert_close(value, expected.detach())
    assert not value.requires_grad
    # The weighted gradient is as long as the reference: equation 7 of VQGAN.
    torch.testing.assert_close(
        value * gradients[1][0].norm(), gradients[0][0].norm(), rtol=1e-3, atol=0
    )


def test_adaptive_weight_is_clamped_and_joins_tensors() -> None:
    three, four, zero = torch.tensor([3.0]), torch.tensor([[0.0, 4.0]]), torch.zeros(2)
    value = adaptive_weight([three, four], [torch.tensor(2.0)], eps=0.5, maximum=1e4)
    assert float(value) == pytest.approx(5 / 2.5)
    assert not adaptive_weight([three.requires_grad_()], [four], eps=0, maximum=9).requires_grad
    three = three.detach()
    assert float(adaptive_weight([three], [zero], eps=1e-4, maximum=1e4)) == 1e4
    assert float(adaptive_weight([zero], [zero], eps=1e-8, maximum=1e4)) == 0
    assert float(adaptive_weight([three.half()], [four.half()], eps=0.0, maximum=9.0)) == 0.75
