"""LPIPS against the lpips library with the same weights; real weights for its meaning."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from tests.gloo import GlooPool
from tests.metrics.test_image import NO_CODES
from tests.metrics.test_ssim import noisy_pair
from vqx.collectives import rank
from vqx.errors import ConfigError, DataError
from vqx.metrics import Lpips


def measure(metric: Lpips, real: Tensor, fake: Tensor, *, batch: int = 100) -> float:
    metric.reset()
    for x, y in zip(real.split(batch), fake.split(batch), strict=True):
        metric.update(x, y, NO_CODES)
    return metric.compute()["lpips"].value


def test_per_image_then_mean_whatever_the_batch(alexnet_file: Path) -> None:
    real, fake = noisy_pair((5, 3, 32, 40), noise=40)
    metric = Lpips(weights=alexnet_file)
    singles = [measure(metric, real[i : i + 1], fake[i : i + 1]) for i in range(5)]
    assert measure(metric, real, fake) == pytest.approx(np.mean(singles), rel=1e-5)
    assert measure(metric, real, fake, batch=2) == pytest.approx(np.mean(singles), rel=1e-5)
    assert measure(metric, real, real) == 0


def test_the_network_sees_minus_one_to_one(alexnet_file: Path) -> None:
    from vqx.pretrained import perceptual_distance

    real, fake = noisy_pair((2, 3, 32, 32), noise=40)
    network, _ = perceptual_distance("alex", weights=alexnet_file)
    expected = network(fake.double().float() / 255 * 2 - 1, real.double().float() / 255 * 2 - 1)
    value = measure(Lpips(weights=alexnet_file), real, fake)
    assert value == pytest.approx(float(expected.mean()), rel=1e-4)


def test_grey_counts_as_rgb(alexnet_file: Path) -> None:
    real, fake = (x[:, :1] for x in noisy_pair((2, 3, 32, 32), noise=40))
    metric = Lpips(weights=alexnet_file)
    as_rgb = measure(metric, real.repeat(1, 3, 1, 1), fake.repeat(1, 3, 1, 1))
    assert measure(metric, real, fake) == pytest.approx(as_rgb, rel=1e-6)


def test_the_stamp_names_net_weights_and_count(alexnet_file: Path) -> None:
    from vqx.pretrained import weights_digest

    metric = Lpips(weights=alexnet_file)
    metric.update(*noisy_pair((2, 3, 32, 32)), NO_CODES)
    stamp = metric.compute()["lpips"].stamp
    assert stamp == (
        f"alex v0.1, weights {weights_digest(alexnet_file)[:8]}; [-1, 1] after rounding to uint8; "
        "per image, then mean; 2 images"
    )


def test_errors_are_plain(alexnet_file: Path, tmp_path: Path) -> None:
    tiny = torch.zeros(1, 3, 28, 28, dtype=torch.uint8)
    with pytest.raises(DataError, match="28x28 px images: at least 31x31"):
        Lpips(weights=alexnet_file).update(tiny, tiny, NO_CODES)
    with pytest.raises(ConfigError, match="there is no file"):
        Lpips(weights=tmp_path / "none.safetensors")
    with pytest.raises(ConfigError, match="squeeze"):
        Lpips("squeeze", weights=alexnet_file)  # type: ignore[arg-type]


def rank_share(weights: Path, real: Tensor, fake: Tensor, cut: int) -> float:
    part = slice(0, cut) if rank() == 0 else slice(cut, None)
    metric = Lpips(weights=weights)
    metric.update(real[part], fake[part], NO_CODES)
    metric.merge()
    return metric.compute()["lpips"].value


@pytest.mark.parametrize("cut", [4, 7])
def test_two_ranks_equal_one(two_ranks: GlooPool, alexnet_file: Path, cut: int) -> None:
    real, fake = noisy_pair((7, 3, 32, 32), noise=40)
    expected = measure(Lpips(weights=alexnet_file), real, fake)
    for value in two_ranks(rank_share, alexnet_file, real, fake, cut):
        assert value == pytest.approx(expected, rel=1e-5)


def astronaut_crops() -> list[Image.Image]:
    from skimage.data import astronaut

    photo = Image.fromarray(astronaut())
    return [photo.crop((x, y, x + 64, y + 64)) for x in (160, 230) for y in (60, 130, 200)]


def blurred(image: Image.Image, radius: float) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(radius))


def compressed(image: Image.Image, quality: int) -> Image.Image:
    file = BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file)


def stack(images: list[Image.Image]) -> Tensor:
    return torch.stack([torch.from_numpy(np.array(x)).permute(2, 0, 1) for x in images])


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_real_lpips_grows_with_blur_and_compression(real_weights: Path, net: str) -> None:
    metric = Lpips(net, cache_dir=real_weights)  # type: ignore[arg-type]
    crops = astronaut_crops()
    real = stack(crops)
    blur = [measure(metric, real, stack([blurred(x, r) for x in crops])) for r in (0.5, 1, 2, 4)]
    jpeg = [measure(metric, real, stack([compressed(x, q) for x in crops])) for q in (90, 50, 10)]
    assert blur == sorted(blur)
    assert jpeg == sorted(jpeg)
    assert blur[-1] > 3 * blur[0]
    assert 0 < jpeg[0] < 0.05 < jpeg[-1] < 0.7
