"""The two sides of the metrics' benchmark: vqx's evaluation, and the loop most users write.

Axes: B images, C channels, H W pixels.
"""

import shutil
import warnings
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vqx.data import ImageSet, Views
from vqx.metrics import Frechet, ImageErrors, Lpips, Metric, to_unit_range
from vqx.pretrained import as_rgb, convolutional_features, inception_features
from vqx.pretrained.catalogue import ALEXNET, INCEPTION
from vqx.pretrained.files import load_tensors
from vqx.pretrained.lookup import find_weights, present_path

BORDER = 5  # pixels whose SSIM window leaves the image: torchmetrics reflects it and counts them


@dataclass(frozen=True, slots=True)
class Pictures:
    """Images and their reconstructions, uint8 (N, 3, H, W) on the device, in batches."""

    real: Tensor
    fake: Tensor
    batch: int

    def batches(self) -> Iterable[tuple[Tensor, Tensor]]:
        """Of at most `batch` images."""
        return zip(self.real.split(self.batch), self.fake.split(self.batch), strict=True)


def draw_pictures(count: int, size: int, *, batch: int, device: torch.device) -> Pictures:
    """Smooth shapes with grain; reconstructions are blurred and have grain of their own."""
    generator = torch.Generator().manual_seed(0)
    shapes = torch.rand(count, 3, 8, 8, generator=generator) * 255
    smooth = F.interpolate(shapes, size=(size, size), mode="bicubic")
    real = smooth + 12 * torch.randn(smooth.shape, generator=generator)
    fake = F.avg_pool2d(real, 3, 1, 1, count_include_pad=False)
    fake += 4 * torch.randn(smooth.shape, generator=generator)
    real, fake = (x.clamp(0, 255).round().to(torch.uint8).to(device) for x in (real, fake))
    return Pictures(real, fake, batch)


class DrawnSet(ImageSet):
    """The name of what is drawn, for the cache of reference statistics."""

    name, split, channels, description = "drawn", "test", 3, "as drawn"

    def __init__(self, pictures: Pictures) -> None:
        self.images, self.image_size = pictures.real, pictures.real.shape[-1]

    @property
    def fingerprint(self) -> str:
        """Seed and number."""
        return f"seed 0, {len(self)} images"

    def __len__(self) -> int:
        return len(self.images)

    def read(
        self, views: Iterable[Views], *, workers: int = 0
    ) -> Generator[Tensor | None, None, None]:
        """The images of each of `views`."""
        for view in views:
            yield self.images[view.indices]


class OurMetrics:
    """ImageErrors, LPIPS and a Frechet distance as an evaluation uses them."""

    def __init__(self, *, cache_dir: Path | None, statistics: Path, device: torch.device) -> None:
        self.network = frechet_network(cache_dir)
        weights = find_weights(self.network, cache_dir=cache_dir)
        frechet = Frechet(self.network, weights=weights, cache_dir=statistics)
        metrics: list[Metric] = [ImageErrors(), Lpips(cache_dir=cache_dir), frechet]
        self.metrics = [metric.to(device) for metric in metrics]
        self.statistics = statistics

    def first(self, pictures: Pictures) -> dict[str, float]:
        """An evaluation of images that are evaluated for the first time."""
        shutil.rmtree(self.statistics, ignore_errors=True)
        return self.evaluate(pictures)

    def evaluate(self, pictures: Pictures) -> dict[str, float]:
        """All numbers; reference statistics are taken from the cache where they are there."""
        images = DrawnSet(pictures)
        codes = torch.zeros(pictures.batch, 1, 1, dtype=torch.int64, device=pictures.real.device)
        for metric in self.metrics:
            metric.reset()
            metric.start(images)
        for real, fake in pictures.batches():
            for metric in self.metrics:
                metric.update(real, fake, codes[: len(real)])
        values: dict[str, float] = {}
        for metric in self.metrics:
            metric.merge()
            values |= {key: m.value for key, m in metric.compute().items()}
        return values


class PlainLoop:
    """The same numbers by torchmetrics, and by the lpips package, in a loop over batches."""

    def __init__(self, *, cache_dir: Path | None, device: torch.device) -> None:
        from torchmetrics import MeanMetric
        from torchmetrics.functional.image import structural_similarity_index_measure
        from torchmetrics.image import PeakSignalNoiseRatio
        from torchmetrics.image.fid import FrechetInceptionDistance

        network = frechet_network(cache_dir)
        self.key = {"inception": "rfid", "vgg16": "fd_vgg16"}[network]
        self.psnr = PeakSignalNoiseRatio(data_range=1.0, dim=(1, 2, 3)).to(device)
        self.ssim, self.ssim_of_each_pixel = MeanMetric(), structural_similarity_index_measure
        self.lpips, self.distance = _lpips_package(cache_dir).to(device), MeanMetric()
        for mean in (self.ssim, self.distance):
            mean.to(device)
        features = _PooledFeatures(network, cache_dir)
        self.frechet = FrechetInceptionDistance(feature=features).to(device)

    @torch.no_grad()
    def evaluate(self, pictures: Pictures) -> dict[str, float]:
        """All numbers."""
        for metric in (self.psnr, self.ssim, self.distance, self.frechet):
            metric.reset()
        for real, fake in pictures.batches():
            x, y = real.float() / 255, fake.float() / 255
            self.psnr.update(y, x)
            _, pixels = self.ssim_of_each_pixel(y, x, data_range=1.0, return_full_image=True)
            self.ssim.update(pixels[..., BORDER:-BORDER, BORDER:-BORDER].mean((1, 2, 3)))
            self.distance.update(self.lpips(y, x, normalize=True))
            self.frechet.update(real, real=True)
            self.frechet.update(fake, real=False)
        found = {
            "psnr": self.psnr.compute(),
            "ssim": self.ssim.compute(),
            "lpips": self.distance.compute(),
            self.key: self.frechet.compute(),
        }
        return {key: value.item() for key, value in found.items()}


class _PooledFeatures(nn.Module):
    """Features (B, D) of uint8 images by the network as it is published."""

    def __init__(self, network: str, cache_dir: Path | None) -> None:
        super().__init__()
        self.inception = network == "inception"
        self.num_features = 2048 if self.inception else 512
        self.network: nn.Module
        if self.inception:
            self.network, _ = inception_features(cache_dir=cache_dir)
        else:
            self.network, _ = convolutional_features(network, cache_dir=cache_dir)

    def forward(self, images: Tensor) -> Tensor:
        """Of images (B, 3, H, W)."""
        if self.inception:
            return self.network(as_rgb(images))[0]
        return self.network(to_unit_range(images))[-1].mean((2, 3))


def frechet_network(cache_dir: Path | None) -> Literal["inception", "vgg16"]:
    """The FID Inception, or VGG16 where the Inception's weights are not in the cache."""
    return "inception" if present_path(INCEPTION, cache_dir) else "vgg16"


def _lpips_package(cache_dir: Path | None) -> nn.Module:
    """LPIPS of the lpips package, AlexNet's weights from our cache: its own come from a hub."""
    import lpips

    with warnings.catch_warnings(action="ignore"):  # it asks torchvision in an older way
        network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    tensors = load_tensors(find_weights(ALEXNET.network, cache_dir=cache_dir))
    # Its layers lie in five slices, but keep torchvision's numbers as names.
    own = dict(network.net.named_parameters())
    for name, parameter in own.items():
        parameter.data.copy_(tensors[name.partition(".")[2]])
    assert len(own) == len(tensors)
    return network.requires_grad_(False).eval()
