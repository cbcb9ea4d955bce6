"""Frechet distance: closed forms, torch-fidelity's arithmetic, sums that add up."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.gloo import GlooPool
from tests.metrics.test_image import NO_CODES
from tests.metrics.test_perceptual import astronaut_crops, blurred, compressed, stack
from tests.metrics.test_ssim import noisy_pair
from vqx.collectives import rank
from vqx.errors import ConfigError, DataError
from vqx.metrics import Frechet, frechet_distance


def random_covariance(width: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    factor = torch.randn(width, width, generator=generator, dtype=torch.float64)
    return factor @ factor.T / width


def measure(metric: Frechet, real: Tensor, fake: Tensor, *, batch: int = 100) -> float:
    metric.reset()
    for x, y in zip(real.split(batch), fake.split(batch), strict=True):
        metric.update(x, y, NO_CODES)
    return metric.compute()[metric.keys[0]].value


def test_a_shifted_mean_gives_its_square() -> None:
    covariance, shift = random_covariance(20, 0), torch.linspace(0, 1, 20, dtype=torch.float64)
    zero = torch.zeros_like(shift)
    distance = frechet_distance(zero, covariance, shift, covariance)
    assert distance == pytest.approx(float(shift.square().sum()), rel=1e-9)
    assert frechet_distance(zero, covariance, zero, covariance) == pytest.approx(0, abs=1e-9)


def test_commuting_covariances_compare_their_deviations() -> None:
    basis, _ = torch.linalg.qr(random_covariance(12, 1))
    a, b = torch.linspace(0.1, 2, 12).double(), torch.linspace(3, 0, 12).double()
    zero = torch.zeros(12, dtype=torch.float64)
    distance = frechet_distance(
        zero, basis @ torch.diag(a) @ basis.T, zero, basis @ torch.diag(b) @ basis.T
    )
    assert distance == pytest.approx(float((a.sqrt() - b.sqrt()).square().sum()), rel=1e-6)


@pytest.mark.parametrize("images", [10, 200])  # fewer and more than the features are wide
def test_it_equals_torch_fidelity(images: int) -> None:
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    generator = torch.Generator().manual_seed(2)
    real = torch.randn(images, 48, generator=generator, dtype=torch.float64)
    fake = 0.3 + real * 0.8 + 0.5 * torch.randn(images, 48, generator=generator).double()
    statistics = [fid_features_to_statistics(x) for x in (real, fake)]
    expected = fid_statistics_to_metric(*statistics, False)["frechet_inception_distance"]
    moments = [(x.mean(0), x.T.cov()) for x in (real, fake)]
    assert frechet_distance(*moments[0], *moments[1]) == pytest.approx(expected, rel=1e-5)


def test_streamed_moments_are_those_of_all_features(vgg16_file: Path) -> None:
    from vqx.pretrained import convolutional_features

    real, fake = noisy_pair((7, 3, 16, 24), noise=60)
    metric = Frechet("vgg16", weights=vgg16_file)
    for x, y in zip(real.split(3), fake.split(3), strict=True):
        metric.update(x, y, NO_CODES)
    network, _ = convolutional_features("vgg16", weights=vgg16_file)
    features = network(real / 255 * 2 - 1)[-1].mean((2, 3)).double().numpy()
    mean, covariance = metric.moments("real")
    np.testing.assert_allclose(mean, features.mean(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(covariance, np.cov(features, rowvar=False), rtol=1e-3, atol=1e-6)
    assert mean.dtype == covariance.dtype == torch.float64


def test_identical_images_are_at_distance_zero_and_noise_grows_it(vgg16_file: Path) -> None:
    metric = Frechet("vgg16", weights=vgg16_file)
    pairs = [noisy_pair((8, 3, 16, 16), noise=noise) for noise in (5, 20, 80)]
    scale = float(metric_trace(metric, pairs[0][0]))
    assert measure(metric, pairs[0][0], pairs[0][0]) < 1e-5 * scale
    distances = [measure(metric, real, fake) for real, fake in pairs]
    assert distances == sorted(distances)
    assert distances[-1] > 0.1 * scale


def metric_trace(metric: Frechet, images: Tensor) -> Tensor:
    metric.reset()
    metric.update(images, images, NO_CODES)
    return metric.moments("real")[1].trace()


def test_the_vgg_distance_is_never_called_fid(vgg16_file: Path) -> None:
    metric = Frechet("vgg16", weights=vgg16_file)
    metric.update(*noisy_pair((4, 3, 16, 16)), NO_CODES)
    result = metric.compute()
    assert list(result) == ["fd_vgg16"] == list(metric.keys)
    stamp = result["fd_vgg16"].stamp
    assert stamp.startswith("VGG16 relu5_3 mean 512, weights ")
    assert "against the same 4 images; fewer than 513 images: singular covariance" in stamp
    assert result["fd_vgg16"].better == "lower"


def test_errors_are_plain(vgg16_file: Path) -> None:
    metric = Frechet("vgg16", weights=vgg16_file)
    metric.update(*noisy_pair((1, 3, 16, 16)), NO_CODES)
    with pytest.raises(DataError, match="1 images: at least 2"):
        metric.compute()
    tiny = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    with pytest.raises(DataError, match="8x8 px"):
        metric.update(tiny, tiny, NO_CODES)
    with pytest.raises(ConfigError, match="no Frechet network 'resnet'"):
        Frechet("resnet")  # type: ignore[arg-type]


def rank_share(weights: Path, real: Tensor, fake: Tensor, cut: int) -> float:
    part = slice(0, cut) if rank() == 0 else slice(cut, None)
    metric = Frechet("vgg16", weights=weights)
    metric.update(real[part], fake[part], NO_CODES)
    metric.merge()
    return metric.compute()["fd_vgg16"].value


@pytest.mark.parametrize("cut", [4, 7])
def test_two_ranks_equal_one(two_ranks: GlooPool, vgg16_file: Path, cut: int) -> None:
    real, fake = noisy_pair((7, 3, 16, 16), noise=60)
    expected = measure(Frechet("vgg16", weights=vgg16_file), real, fake)
    for value in two_ranks(rank_share, vgg16_file, real, fake, cut):
        assert value == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow  # the Inception at 299 px, and an eigenproblem of width 2048
def test_rfid_equals_torch_fidelity_with_the_same_network(inception_file: Path) -> None:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    real, fake = noisy_pair((5, 3, 40, 32), noise=80)
    network = FeatureExtractorInceptionV3(
        "reference", ["2048"], feature_extractor_weights_path=str(inception_file)
    )
    features = torch.cat([network(real)[0], network(fake)[0]]).double()
    # The distance is the same in any basis of what the features span, and much faster there.
    basis, _ = torch.linalg.qr(features.T)
    statistics = [fid_features_to_statistics(x) for x in (features @ basis).chunk(2)]
    expected = fid_statistics_to_metric(*statistics, False)["frechet_inception_distance"]
    metric = Frechet(weights=inception_file)
    for x, y in zip(real.split(3), fake.split(3), strict=True):
        metric.update(x, y, NO_CODES)
    (key, result), *others = metric.compute().items()
    assert (key, others) == ("rfid", [])
    assert result.value == pytest.approx(expected, rel=1e-3)
    assert result.stamp.startswith("FID Inception (torch-fidelity) pool 2048, weights ")


def test_real_fd_vgg16_grows_with_blur_and_compression(real_weights: Path) -> None:
    metric = Frechet("vgg16", cache_dir=real_weights)
    crops = astronaut_crops()
    real = stack(crops)
    blur = [measure(metric, real, stack([blurred(x, r) for x in crops])) for r in (0.5, 1, 2)]
    jpeg = [measure(metric, real, stack([compressed(x, q) for x in crops])) for q in (90, 50, 10)]
    assert blur == sorted(blur)
    assert jpeg == sorted(jpeg)
