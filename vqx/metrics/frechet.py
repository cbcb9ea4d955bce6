"""Frechet distance between the features of images and of their reconstructions.

Axes: B images, C channels, H W pixels, D feature width.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import torch
from torch import Tensor, nn

from vqx.errors import ConfigError
from vqx.metrics.base import Measurement, Metric, float_sum, integer_sum
from vqx.metrics.pixels import to_unit_range
from vqx.pretrained import as_rgb, convolutional_features, inception_features, sha256_of


@dataclass(frozen=True, slots=True)
class _Network:
    """A feature network; only the FID Inception's distance may be called rFID."""

    key: str
    width: int
    features: str


_NETWORKS = {
    "inception": _Network("rfid", 2048, "FID Inception (torch-fidelity) pool"),
    "vgg16": _Network("fd_vgg16", 512, "VGG16 relu5_3 mean"),
}


class Frechet(Metric):
    """Frechet distance (Heusel et al. 2017, eq. 6) from float64 sums of features.

    `rfid` with the FID Inception, `fd_vgg16` with VGG16's relu5_3 averaged over positions. The
    reference is the same images the model reconstructed. Raises WeightsMissing.
    """

    final_only = True

    def __init__(
        self,
        network: Literal["inception", "vgg16"] = "inception",
        *,
        weights: str | Path | None = None,
        cache_dir: str | Path | None = None,
    ) -> None:
        if network not in _NETWORKS:
            raise ConfigError(
                f"no Frechet network {network!r}: choose one of {', '.join(_NETWORKS)}"
            )
        self._kind = _NETWORKS[network]
        self.keys = (self._kind.key,)
        width = self._kind.width
        sums = {"images": integer_sum()}
        for side in ("real", "fake"):
            sums |= {f"{side}_sum": float_sum(width), f"{side}_products": float_sum(width, width)}
        super().__init__(sums)
        self._features: nn.Module
        if network == "inception":
            self._features, path = inception_features(weights=weights, cache_dir=cache_dir)
        else:
            vgg16, path = convolutional_features(network, weights=weights, cache_dir=cache_dir)
            self._features = vgg16
            self.smallest_image = vgg16.smallest_image
        self._sha256 = sha256_of(path)

    def compute(self) -> dict[str, Measurement]:
        """The distance, from 0 up. Raises DataError with fewer than two images."""
        images = self._count("images", at_least=2)
        distance = frechet_distance(*self.moments("real"), *self.moments("fake"))
        kind = self._kind
        stamp = (
            f"{kind.features} {kind.width}, weights {self._sha256[:8]}; uint8 after rounding, "
            f"against the same {images} images"
        )
        if images <= kind.width:
            stamp += f"; fewer than {kind.width + 1} images: singular covariance, biased"
        return {kind.key: Measurement(distance, stamp, "lower")}

    def moments(self, side: Literal["real", "fake"]) -> tuple[Tensor, Tensor]:
        """Mean (D,) and unbiased covariance (D, D) of the features of one side, float64."""
        images = int(self.sums["images"])
        mean = self.sums[f"{side}_sum"] / images
        products = self.sums[f"{side}_products"]
        return mean, (products - images * torch.outer(mean, mean)) / (images - 1)

    def to(self, device: torch.device | str) -> Self:
        """Move the sums and the network to `device`; returns itself."""
        self._features.to(device)
        return super().to(device)

    def _add(self, real: Tensor, fake: Tensor, codes: Tensor) -> None:
        self.sums["images"] += len(real)
        for side, images in (("real", real), ("fake", fake)):
            features = self._extract(images).double()  # (B, D)
            self.sums[f"{side}_sum"] += features.sum(0)
            self.sums[f"{side}_products"] += features.T @ features

    def _extract(self, images: Tensor) -> Tensor:
        if self._kind is _NETWORKS["vgg16"]:
            return self._features(to_unit_range(images))[-1].mean((2, 3))
        return self._features(as_rgb(images))[0]


def frechet_distance(
    mean_1: Tensor, covariance_1: Tensor, mean_2: Tensor, covariance_2: Tensor
) -> float:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) of float64 means (D,) and covariances (D, D).

    The root's trace is taken from the symmetric S1^(1/2) S2 S1^(1/2), which has the eigenvalues of
    S1 S2 and keeps them real. Rounding can leave a distance just below 0: it is returned as 0.
    """
    values, vectors = torch.linalg.eigh(covariance_1)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    inner = torch.linalg.eigvalsh(root @ covariance_2 @ root)
    traces = covariance_1.trace() + covariance_2.trace() - 2 * inner.clamp(min=0).sqrt().sum()
    return max(float((mean_1 - mean_2).square().sum() + traces), 0.0)
