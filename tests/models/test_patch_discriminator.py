"""The patch discriminator: size of a patch, its norms, and what of it depends on the batch."""

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.gloo import GlooPool
from vqx.collectives import rank, sum_over_ranks
from vqx.errors import ConfigError
from vqx.losses.adversarial import Adversarial
from vqx.models.patch_discriminator import PatchDiscriminator


def network(norm: Any = "group", *, layers: int = 3, seed: int = 0) -> PatchDiscriminator:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return PatchDiscriminator(3, width=8, layers=layers, norm=norm)


def images(count: int, size: int = 32) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(count, 3, size, size, generator=generator) * 2 - 1


def test_parameters_are_pix2pixs() -> None:
    with torch.device("meta"):
        counts = {
            norm: sum(p.numel() for p in PatchDiscriminator(3, norm=norm).parameters())
            for norm in ("batch", "none")
        }
    kernels = [3 * 64, 64 * 128, 128 * 256, 256 * 512, 512 * 1]
    assert counts["batch"] == 16 * sum(kernels) + 64 + 1 + 2 * (128 + 256 + 512)
    assert counts["none"] == 16 * sum(kernels) + 64 + 1 + (128 + 256 + 512)


@pytest.mark.parametrize(("layers", "patch"), [(1, 16), (2, 34), (3, 70)])
def test_a_logit_sees_its_patch_alone(layers: int, patch: int) -> None:
    x = images(1, 128).requires_grad_()
    logits = network("none", layers=layers)(x)
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    assert x.grad is not None
    seen = x.grad[0].abs().sum(0) > 0
    assert int(seen.any(0).sum()) == int(seen.any(1).sum()) == patch


@pytest.mark.parametrize(("size", "shape"), [(256, (30, 30)), (32, (2, 2)), (24, (1, 1))])
def test_shapes(size: int, shape: tuple[int, int]) -> None:
    assert network()(images(2, size)).shape == (2, 1, *shape)


def test_the_smallest_image_is_the_smallest_that_works() -> None:
    for layers, size in ((1, 6), (2, 12), (3, 24)):
        built = PatchDiscriminator(3, size, width=4, layers=layers)
        assert built(images(1, size)).numel() == 1
        with pytest.raises(RuntimeError):
            built(images(1, size - 2))
        with pytest.raises(ConfigError, match=f"{size - 1} px are too small.*needs {size} px"):
            PatchDiscriminator(3, size - 1, width=4, layers=layers)


@pytest.mark.parametrize("settings", [{"norm": "layer"}, {"width": 0}, {"layers": 0}])
def test_impossible_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        PatchDiscriminator(3, **settings)


@pytest.mark.parametrize("norm", ["group", "none", "batch"])
def test_what_depends_on_the_batch(norm: str) -> None:
    built, x = network(norm), images(4)
    separate = torch.cat([built(x[:2]), built(x[2:])])
    assert torch.allclose(separate, built(x), atol=1e-5) == (norm != "batch")
    assert built.batch_statistics == (norm == "batch")


def test_weights_start_small() -> None:
    built = PatchDiscriminator(3, width=32)
    kernels = torch.cat([p.detach().flatten() for p in built.parameters() if p.ndim == 4])
    assert float(kernels.std()) == pytest.approx(0.02, rel=0.02)
    assert all(bool((p == 0).all()) for n, p in built.named_parameters() if n.endswith("bias"))


@pytest.mark.parametrize("norm", ["group", "batch", "none"])
def test_r1_is_differentiable(norm: str) -> None:
    loss = Adversarial(network(norm), r1_gamma=1.0)
    with loss.training_discriminator():
        loss.r1_penalty(images(3)).backward()
    gradients = [p.grad for p in loss.discriminator.parameters() if p.grad is not None]
    assert gradients
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


def batch_norm_step(count: int, start: int) -> list[Tensor]:
    """Gradients of hinge and R1 together, of this rank's part of 4 real and 4 fake images."""
    loss = Adversarial(network("batch"), r1_gamma=100.0)
    part = slice(start, start + count)
    real, fake = images(4)[part], images(4).flip(3)[part] * 0.5
    with loss.training_discriminator():
        value, _ = loss.discriminator_loss(real, fake)
        (value + loss.r1_penalty(real)).backward()
    return [p.grad for p in loss.discriminator.parameters() if p.grad is not None]


def rank_batch_norm() -> list[Tensor]:
    return [sum_over_ranks(gradient) / 2 for gradient in batch_norm_step(2, 2 * rank())]


def test_batch_norm_over_ranks_is_that_of_one_process(two_ranks: GlooPool) -> None:
    expected = batch_norm_step(4, 0)
    for gradients in two_ranks(rank_batch_norm):
        for value, reference in zip(gradients, expected, strict=True):
            torch.testing.assert_close(value, reference, rtol=1e-3, atol=1e-5)
