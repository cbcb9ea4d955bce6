"""Frechet distance between the features of images and of their reconstructions.

Axes: B images, C channels, H W pixels, D feature width.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import torch
from torch import Tensor, nn

from vqx.collectives import max_over_ranks, rank
from vqx.errors import ConfigError, DataError
from vqx.metrics.base import Measurement, Metric, float_sum, integer_sum
from vqx.metrics.content import content_sum
from vqx.metrics.pixels import to_unit_range
from vqx.metrics.reference import Reference, Sums, Unreadable, precision_of
from vqx.metrics.rows import place_network
from vqx.pretrained import (
    ConvolutionalFeatures,
    as_rgb,
    convolutional_features,
    inception_features,
    weights_digest,
)

if TYPE_CHECKING:
    from vqx.data import ImageSet

# The FID Inception resizes to 299 px; its second convolution gives 64 x 147 x 147 float32.
_INCEPTION_BYTES = 4 * 64 * 147 * 147


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
    reference is the same images the model reconstructed; what the network says of them is kept in
    `statistics` in `cache_dir` (null: nowhere) for later evaluations of a set that is known by its
    fingerprint. Raises WeightsMissing.
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
        # `known` are images and content of the reference that was read, 0 where none was.
        sums = {"images": integer_sum(), "content": integer_sum(), "known": integer_sum(2)}
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
        self._sha256 = weights_digest(path)
        self._cache_dir = None if cache_dir is None else Path(cache_dir).expanduser()
        # Where this evaluation's is, or is to be, kept: on the first rank; whether there is such a
        # place, whether the sums come from there, and how many images the whole set has: on all.
        self._reference: Reference | None = None
        self._referred, self._cached, self._whole = False, False, 0
        self._original: Frechet | None = None  # the metric that sees to the real images
        self._said: set[str] = set()

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
        sums = self._original.sums if side == "real" and self._original else self.sums
        images = int(sums["images"])
        mean = sums[f"{side}_sum"] / images
        products = sums[f"{side}_products"]
        return mean, (products - images * torch.outer(mean, mean)) / (images - 1)

    @property
    def reference_is_cached(self) -> bool:
        """Whether the real images' features come from the cache in this evaluation."""
        return self._original.reference_is_cached if self._original else self._cached

    def start(self, images: "ImageSet") -> None:
        """Take the reference of `images` from the cache where it is there, on all ranks or none."""
        assert int(self.sums["images"]) == 0, "started after an update"
        if self._original is not None:
            return
        self._whole = len(images)
        # One rank alone: a fingerprint may look at every file of the set.
        self._reference = self._reference_of(images) if rank() == 0 else None
        stored = self._read()
        device = self.sums["images"].device
        found = torch.tensor([self._reference is not None, stored is not None], device=device)
        self._referred, self._cached = map(bool, max_over_ranks(found.long()).tolist())
        if stored is not None:  # on one rank: `merge` adds the ranks' sums
            self.sums["known"] = torch.stack([stored.images, stored.content]).to(device)
            self.sums["real_sum"] = stored.features.to(device)
            self.sums["real_products"] = stored.products.to(device)

    def merge(self) -> None:
        """Add the sums of all ranks, and keep the reference for later evaluations.

        Raises DataError when the images were not those of the reference in the cache.
        """
        super().merge()
        if self._original is not None:
            return
        if self._cached:
            self._check_content()
        elif self._reference is not None and int(self.sums["images"]) == self._whole:
            # An image left out may be readable next time: such sums would be no reference then.
            self._keep(self._reference)

    def reset(self) -> None:
        """Forget all images, and which set they are of."""
        super().reset()
        self._reference, self._referred, self._cached = None, False, False

    def sibling(self) -> Self:
        """A metric of other reconstructions, which takes the real images' features from here."""
        twin = super().sibling()
        twin._original = self._original or self
        kept = ("images", "fake_sum", "fake_products")
        twin.sums = {name: twin.sums[name] for name in kept}
        return twin

    def to(self, device: torch.device | str) -> Self:
        """Move the sums and the network to `device`; returns itself."""
        place_network(self._features, device)
        return super().to(device)

    def image_bytes(self, height: int, width: int, channels: int) -> int:
        """The largest activations of the network."""
        if isinstance(self._features, ConvolutionalFeatures):
            return self._features.image_bytes(height, width)
        return max(_INCEPTION_BYTES, 4 * 3 * height * width)

    def _add(self, real: Tensor, fake: Tensor, codes: Tensor) -> None:
        self.sums["images"] += len(real)
        if self._referred:
            self.sums["content"] += content_sum(real)
        if self._original is None and not self._cached:
            self._add_features("real", real)
        self._add_features("fake", fake)

    def _add_features(self, side: Literal["real", "fake"], images: Tensor) -> None:
        features = self._extract(images).double()  # (B, D)
        self.sums[f"{side}_sum"] += features.sum(0)
        self.sums[f"{side}_products"] += features.T @ features

    def _extract(self, images: Tensor) -> Tensor:
        if self._kind.key == "rfid":
            return self._features(as_rgb(images))[0]
        return self._features(to_unit_range(images))[-1].mean((2, 3))

    def _reference_of(self, images: "ImageSet") -> Reference | None:
        if images.fingerprint is None:
            return None
        if self._cache_dir is None:
            self._say("cache_dir is null: the reference's features are computed in each evaluation")
            return None
        kind, device = self._kind, self.sums["images"].device
        protocol = {
            "data": f"{images.name} {images.split}",
            "fingerprint": images.fingerprint,
            "images": f"uint8 {images.channels}x{images.image_size}x{images.image_size}, "
            f"{images.description}",
            "network": kind.features,
            "weights": self._sha256,
            "device": device.type,
            "precision": precision_of(device),
        }
        return Reference(self._cache_dir / "statistics", kind.key, protocol)

    def _read(self) -> Sums | None:
        try:
            return self._reference.read(self._kind.width) if self._reference else None
        except Unreadable as error:
            self._say(f"{error}: its features are computed anew")
            return None

    def _keep(self, reference: Reference) -> None:
        sums = self.sums
        kept = Sums(sums["images"], sums["content"], sums["real_sum"], sums["real_products"])
        try:
            reference.write(kept)
        except Unreadable as error:
            self._say(f"{error}: the reference's features are computed in each evaluation")

    def _check_content(self) -> None:
        seen, known = int(self.sums["images"]), int(self.sums["known"][0])
        if seen == known and int(self.sums["content"]) == int(self.sums["known"][1]):
            return
        place = "the first rank's reference" if self._reference is None else self._reference.path
        raise DataError(
            f"{place} is of {known} images, which are not the {seen} evaluated now: some "
            "changed, or others can be read now; delete that file and evaluate again"
        )

    def _say(self, line: str) -> None:
        """Once an object, siblings included, on the first rank."""
        if rank() == 0 and line not in self._said:
            self._said.add(line)
            print(f"{self._kind.key}: {line}", flush=True)


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
