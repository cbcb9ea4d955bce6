"""Every autoencoder that conf/model can name, at its smallest, for the tests of them all."""

from pathlib import Path
from typing import Any

import torch
import yaml
from hydra.utils import get_method, instantiate
from torch import nn

from vqx.config import conf_dir

FILES = {path.stem: path for path in sorted(Path(conf_dir(), "model").glob("*.yaml"))}

# Small values of whatever of these a model has.
SMALL = {
    "width": 16,
    "heads": 2,
    "depth": 1,
    "blocks": 1,
    "residual_blocks": 2,
    "residual_width": 4,
}

# Every model as its file has it, and with each of its options.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in FILES},
    "conv norm": ("conv", {"norm": "batch"}),
    "conv kaiming weight norm": ("conv", {"initialization": "kaiming_normal", "weight_norm": True}),
    "conv widths shared": ("conv", {"widths": [4, 16], "share_residual": True}),
    "resnet attention": ("resnet", {"attention": True, "blocks": 2}),
    "resnet tanh": ("resnet", {"tanh": True}),
    "resnet upsampling": ("resnet", {"upsampling_convolution": True}),
}


def settings(name: str) -> dict[str, Any]:
    """A file's keys and values."""
    return yaml.safe_load(FILES[name].read_text())


def factory(name: str) -> Any:
    """The function that a file names."""
    return get_method(settings(name)["_target_"])


def build(variant: str, **changes: Any) -> tuple[nn.Module, nn.Module]:
    """Encoder and decoder of a variant, small, for 3 channels and 8 latent ones, from seed 0."""
    name, options = VARIANTS[variant]
    config = settings(name)
    small = {key: value for key, value in SMALL.items() if key in config}
    given = {"image_channels": 3, "latent_channels": 8}
    torch.manual_seed(0)
    return instantiate(config, **{**small, **options, **given, **changes}, _convert_="all")
