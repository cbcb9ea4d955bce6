"""SSIM against scikit-image and torchmetrics."""

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity as reference
from torch import Tensor

from vqx.metrics import structural_similarity


def noisy_pair(shape: tuple[int, ...], *, noise: float = 20) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    smooth = torch.rand(*shape[:2], 4, 4, generator=generator)
    real = torch.nn.functional.interpolate(smooth, size=shape[2:], mode="bilinear") * 255
    fake = real + noise * torch.randn(shape, generator=generator)
    return real.round().to(torch.uint8), fake.round().clamp(0, 255).to(torch.uint8)


def slow_ssim(real: Tensor, fake: Tensor) -> float:
    """scikit-image's, one image."""
    x, y = (image.permute(1, 2, 0).numpy() for image in (real, fake))
    return reference(
        x,
        y,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
        channel_axis=2,
    )


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(11, 11), (12, 31), (33, 17), (64, 64)])
def test_it_equals_scikit_image(channels: int, size: tuple[int, int]) -> None:
    real, fake = noisy_pair((3, channels, *size))
    expected = [slow_ssim(x, y) for x, y in zip(real, fake, strict=True)]
    np.testing.assert_allclose(structural_similarity(real, fake).numpy(), expected, rtol=1e-9)


@pytest.mark.slow  # importing torchmetrics takes 4 s
def test_it_equals_torchmetrics_without_its_padded_border() -> None:
    from torchmetrics.functional.image import structural_similarity_index_measure

    real, fake = noisy_pair((2, 3, 48, 40))
    _, each_pixel = structural_similarity_index_measure(
        fake.double(), real.double(), data_range=255.0, reduction="none", return_full_image=True
    )
    expected = each_pixel[..., 5:-5, 5:-5].mean((1, 2, 3))
    np.testing.assert_allclose(structural_similarity(real, fake).numpy(), expected, rtol=1e-9)


def test_identical_and_inverted_images() -> None:
    real, _ = noisy_pair((2, 3, 32, 32))
    assert structural_similarity(real, real).tolist() == pytest.approx([1, 1])
    assert (structural_similarity(real, 255 - real) < 0.5).all()


def test_flat_images_stay_finite() -> None:
    black, white = torch.zeros(1, 3, 16, 16).byte(), torch.full((1, 3, 16, 16), 255).byte()
    assert float(structural_similarity(black, black)) == 1
    assert 0 < float(structural_similarity(black, white)) < 1e-3
