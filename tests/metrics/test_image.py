"""Pixel errors against slow references, per image then mean."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio
from torch import Tensor

from tests.gloo import GlooPool
from tests.metrics.test_ssim import noisy_pair, slow_ssim
from vqx.collectives import rank
from vqx.errors import DataError
from vqx.metrics import ImageErrors

NO_CODES = torch.zeros(0, 1, 1, dtype=torch.int64)


def measure(real: Tensor, fake: Tensor, *, batch: int = 100) -> dict[str, float]:
    metric = ImageErrors()
    for x, y in zip(real.split(batch), fake.split(batch), strict=True):
        metric.update(x, y, NO_CODES)
    return {key: value.value for key, value in metric.compute().items()}


def uneven_pair(count: int = 7) -> tuple[Tensor, Tensor]:
    """Images whose errors differ widely: a mean of ratios is then no ratio of means."""
    pairs = [noisy_pair((1, 3, 21, 17), noise=3.0 * (1 + i) ** 2) for i in range(count)]
    real, fake = (torch.cat(side) for side in zip(*pairs, strict=True))
    return real, fake


@pytest.mark.parametrize("channels", [1, 3])
def test_every_value_equals_its_definition(channels: int) -> None:
    real, fake = (x[:, :channels] for x in uneven_pair())
    x, y = real.numpy().astype(np.float64), fake.numpy().astype(np.float64)
    expected = {
        "l1": np.abs(x - y).mean() / 255,
        "l2": ((x - y) ** 2).mean() / 255**2,
        "psnr": np.mean(
            [peak_signal_noise_ratio(a, b, data_range=255) for a, b in zip(x, y, strict=True)]
        ),
        "psnr_global": peak_signal_noise_ratio(x, y, data_range=255),
        "ssim": np.mean([slow_ssim(a, b) for a, b in zip(real, fake, strict=True)]),
    }
    values = measure(real, fake)
    assert values == pytest.approx(expected, rel=1e-9)
    assert abs(values["psnr"] - values["psnr_global"]) > 1  # two protocols, two keys


def test_the_batch_size_changes_nothing() -> None:
    real, fake = uneven_pair()
    assert measure(real, fake, batch=2) == pytest.approx(measure(real, fake), rel=1e-12)


def test_an_identical_image_has_a_finite_psnr_above_all_others() -> None:
    real = torch.randint(255, (1, 3, 16, 16), dtype=torch.uint8)
    nearly = real.clone()
    nearly[0, 0, 0, 0] += 1
    floor = 10 * math.log10(255**2 * 3 * 16 * 16)
    assert measure(real, real)["psnr"] == pytest.approx(floor)
    assert measure(real, nearly)["psnr"] == pytest.approx(floor)
    nearly[0, 1, 0, 0] += 1
    assert measure(real, nearly)["psnr"] < floor - 2
    assert measure(real, real)["psnr_global"] == pytest.approx(floor)
    assert measure(real, real)["l1"] == measure(real, real)["l2"] == 0


def test_stamps_name_protocol_and_count() -> None:
    metric = ImageErrors()
    metric.update(*uneven_pair(), NO_CODES)
    stamps = {key: value.stamp for key, value in metric.compute().items()}
    assert tuple(stamps) == metric.keys
    assert all("7 images" in stamp for stamp in stamps.values())
    assert stamps["psnr"].startswith("per image, then mean; uint8 after rounding, range 255")
    directions = {key: value.better for key, value in metric.compute().items()}
    higher = {key for key, better in directions.items() if better == "higher"}
    assert higher == {"psnr", "psnr_global", "ssim"}


def test_reset_forgets() -> None:
    metric = ImageErrors()
    metric.update(*noisy_pair((2, 3, 16, 16), noise=90), NO_CODES)
    metric.merge()
    metric.reset()
    metric.update(*uneven_pair(), NO_CODES)
    values = {key: value.value for key, value in metric.compute().items()}
    assert values == measure(*uneven_pair())


def test_small_images_and_no_images_are_named() -> None:
    tiny = torch.zeros(1, 3, 10, 16, dtype=torch.uint8)
    with pytest.raises(DataError, match="10x16 px images: at least 11x11"):
        ImageErrors().update(tiny, tiny, NO_CODES)
    with pytest.raises(DataError, match="0 images"):
        ImageErrors().compute()


def test_float_images_are_not_taken() -> None:
    with pytest.raises(AssertionError, match="rounded"):
        ImageErrors().update(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16), NO_CODES)


def rank_share(real: Tensor, fake: Tensor, cut: int) -> dict[str, float]:
    part = slice(0, cut) if rank() == 0 else slice(cut, None)
    metric = ImageErrors()
    metric.update(real[part], fake[part], NO_CODES)
    metric.merge()
    return {key: value.value for key, value in metric.compute().items()}


@pytest.mark.parametrize("cut", [4, 7])
def test_two_ranks_equal_one(two_ranks: GlooPool, cut: int) -> None:
    real, fake = uneven_pair()
    expected = measure(real, fake)
    for values in two_ranks(rank_share, real, fake, cut):
        assert values == pytest.approx(expected, rel=1e-12)
