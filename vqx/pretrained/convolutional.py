"""AlexNet and VGG16 as frozen feature extractors, and the LPIPS distance on them.

Axes: B images, C channels, H W pixels; images are float [-1, 1], grey ones are repeated to RGB.
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from vqx.errors import ConfigError, DataError, WeightsMissing
from vqx.pretrained.files import convolutions_of, load_tensors
from vqx.pretrained.lookup import find_weights
from vqx.pretrained.rgb import as_rgb

LPIPS_NETWORKS = {"alex": "alexnet", "vgg": "vgg16"}
# The layers LPIPS compares: the last ReLU before each pooling (and every ReLU after AlexNet's two).
TAPS = {"alexnet": (1, 4, 7, 9, 11), "vgg16": (3, 8, 15, 22, 29)}
STAGES = 5  # of either network
FIRST_WIDTH = 64  # channels of either network's first and largest activations
FIRST_STRIDE = {"alexnet": 4, "vgg16": 1}
# Below this a pooling window no longer fits.
SMALLEST_IMAGE = {"alexnet": 31, "vgg16": 16}


class ConvolutionalFeatures(nn.Module):
    """The convolutions of `network` ("alexnet" or "vgg16") up to the last layer LPIPS uses.

    Layers carry torchvision's names, so its files fit. Frozen, and always in eval mode.
    """

    mean: Tensor
    deviation: Tensor
    # ImageNet's mean and deviation, in terms of [-1, 1].
    MEAN = (-0.030, -0.088, -0.188)
    DEVIATION = (0.458, 0.448, 0.450)

    def __init__(self, network: str, tensors: dict[str, Tensor]) -> None:
        super().__init__()
        self.smallest_image = SMALLEST_IMAGE[network]
        self.taps = TAPS[network]
        self.stride = FIRST_STRIDE[network]
        # On no device: initial values would cost time, and draw from the run's random numbers.
        with torch.device("meta"):
            self.layers = _alexnet() if network == "alexnet" else _vgg16()
        self.layers.load_state_dict(
            {name: tensor.float() for name, tensor in tensors.items()}, assign=True
        )
        self.register_buffer("mean", torch.tensor(self.MEAN).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(self.DEVIATION).view(1, 3, 1, 1))
        self.requires_grad_(False)
        self.eval()

    def image_bytes(self, height: int, width: int) -> int:
        """Bytes of the largest activations of an image, which is itself three channels wide."""
        return 4 * max(FIRST_WIDTH * height * width // self.stride**2, 3 * height * width)

    def forward(self, images: Tensor, stages: Sequence[int] = range(STAGES)) -> list[Tensor]:
        """Activations (B, width, height, width) of the `stages`, for `images` in [-1, 1].

        `stages` ascend; what comes after the last one is not computed.
        """
        _check_size(images, self.smallest_image)
        taps = [self.taps[stage] for stage in stages]
        x = (as_rgb(images) - self.mean) / self.deviation
        taken = []
        for index, layer in enumerate(self.layers[: taps[-1] + 1]):
            x = layer(x)
            if index in taps:
                taken.append(x)
        return taken


class PerceptualDistance(nn.Module):
    """LPIPS v0.1 (Zhang et al. 2018, arXiv 1801.03924): one distance an image.

    It is a sum over stages of the network: all five, or those in `stages`, whose published weights
    stay as they are.
    """

    def __init__(
        self,
        features: ConvolutionalFeatures,
        scales: list[Tensor],
        stages: Sequence[int] = range(STAGES),
    ) -> None:
        super().__init__()
        self.features = features
        self.stages = tuple(stages)
        for index, scale in enumerate(scales):
            self.register_buffer(f"scale{index}", scale.float().view(1, -1, 1, 1))
        self.eval()

    def forward(self, images: Tensor, target: Tensor) -> Tensor:
        """Distance (B,) of `images` from `target`; gradients reach `images` alone."""
        with torch.no_grad():
            wanted = [_unit(x) for x in self.features(target, self.stages)]
        total = images.new_zeros(images.shape[0])
        taken = self.features(images, self.stages)
        for stage, x, y in zip(self.stages, taken, wanted, strict=True):
            scale = self.get_buffer(f"scale{stage}")
            total = total + ((_unit(x) - y).square() * scale).sum(1).mean((1, 2))
        return total


def convolutional_features(
    network: str, *, weights: str | Path | None = None, cache_dir: str | Path | None = None
) -> tuple[ConvolutionalFeatures, Path]:
    """The frozen extractor of `network` ("alexnet" or "vgg16") and the file its weights are from.

    Raises WeightsMissing.
    """
    path = find_weights(network, weights=weights, cache_dir=cache_dir)
    try:
        return ConvolutionalFeatures(network, convolutions_of(path)), path
    except RuntimeError as error:
        raise WeightsMissing(
            f"{path} does not hold {network}'s convolutions: delete it and fetch it again"
        ) from error


def perceptual_distance(
    net: str,
    *,
    stages: Sequence[int] | None = None,
    weights: str | Path | None = None,
    cache_dir: str | Path | None = None,
) -> tuple[PerceptualDistance, Path]:
    """LPIPS on `net` ("alex" or "vgg") and the file its convolutions are from.

    `stages`: which of 0 (finest) .. 4 count; None is all. Raises ConfigError for another net or
    stage, WeightsMissing when the convolutions cannot be had.
    """
    if net not in LPIPS_NETWORKS:
        raise ConfigError(f"LPIPS has no net {net!r}: choose one of {', '.join(LPIPS_NETWORKS)}")
    chosen = range(STAGES) if stages is None else _checked(stages)
    features, path = convolutional_features(
        LPIPS_NETWORKS[net], weights=weights, cache_dir=cache_dir
    )
    return PerceptualDistance(features, _lpips_scales(net), chosen), path


def _checked(stages: Sequence[int]) -> list[int]:
    """`stages` in ascending order, each of them once; ConfigError for anything else."""
    known = range(STAGES)
    several = isinstance(stages, Sequence) and len(stages) > 0
    if not several or any(s not in known for s in stages) or len(set(stages)) < len(stages):
        raise ConfigError(
            f"LPIPS layers {stages}: choose some of 0, 1, 2, 3, 4, each once; null is all"
        )
    return sorted(stages)


def _lpips_scales(net: str) -> list[Tensor]:
    """The trained weights of each layer's channels, from the lpips package (not imported: 4 s)."""
    package = importlib.util.find_spec("lpips")
    if package is None or package.origin is None:
        raise WeightsMissing("LPIPS needs the package lpips: pip install lpips")
    tensors = load_tensors(Path(package.origin).parent / "weights" / "v0.1" / f"{net}.pth")
    return [tensors[f"lin{index}.model.1.weight"] for index in range(STAGES)]


def _unit(x: Tensor) -> Tensor:
    # At a position whose channels are all 0 this norm has gradient 0, not NaN.
    return x / (torch.linalg.vector_norm(x, dim=1, keepdim=True) + 1e-10)


def _check_size(images: Tensor, smallest: int) -> None:
    height, width = images.shape[-2:]
    if min(height, width) < smallest:
        raise DataError(
            f"images of {height}x{width} px are too small for this network, which needs "
            f"{smallest}x{smallest}: use larger images, or leave its metric or loss out"
        )


def _alexnet() -> nn.Sequential:
    return nn.Sequential(
        *[nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)],
        *[nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)],
        *[nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()],
        *[nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()],
        *[nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()],
    )


def _vgg16() -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = 3
    for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        if layers:
            layers.append(nn.MaxPool2d(2, 2))
        for _ in range(count):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
    return nn.Sequential(*layers)
