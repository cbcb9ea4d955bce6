"""The shipped files of the quantizer group: complete, true to the defaults, and instantiable."""

import inspect
from pathlib import Path

import pytest
import torch
from hydra.utils import get_class, instantiate
from omegaconf import OmegaConf

from vqx.config import conf_dir
from vqx.quantizers import Quantizer, Restart

FILES = sorted((conf_dir() / "quantizer").glob("*.yaml"))
# Files that show a class with other settings than its own defaults: that is what they are for.
PRESETS = {
    "cosine": {"init", "distance"},
    "gumbel": {"kl_ramp", "temperature_ramp"},  # parts of the run, which a plain object has not
    "residual_vq": {"init"},
    "residual_ema": {"init"},
    "residual_lfq": {"scale"},
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_instantiates_and_quantizes(path: Path):
    quantizer = instantiate(OmegaConf.load(path).quantizer, _convert_="all")
    assert isinstance(quantizer, Quantizer)
    quantizer.set_epoch_length(10, run=100)
    z = torch.randn(2, quantizer.latent_channels, 4, 4)
    quantizer.initialize(z)
    assert quantizer(z).codes.max() < quantizer.codebook_size


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_shows_every_keyword_with_its_default(path: Path):
    node = OmegaConf.to_container(OmegaConf.load(path).quantizer, resolve=True)
    _assert_shows_defaults(node, PRESETS.get(path.stem, set()))


def _assert_shows_defaults(node, preset):
    parameters = inspect.signature(get_class(node.pop("_target_"))).parameters
    assert list(node) == list(parameters)
    for name, value in node.items():
        if isinstance(value, dict):
            # Restart's policy is a knob of each family; the rest is its own.
            _assert_shows_defaults(value, {*preset, "policy"})
        elif parameters[name].default is not inspect.Parameter.empty and name not in preset:
            assert value == parameters[name].default, name


@pytest.mark.parametrize("restart", ["null", "false", "{policy: none}"])
def test_restart_can_be_turned_off(restart):
    config = OmegaConf.load(conf_dir() / "quantizer" / "vq.yaml")
    config = OmegaConf.merge(config, OmegaConf.create(f"quantizer: {{restart: {restart}}}"))
    quantizer = instantiate(config.quantizer, _convert_="all")
    assert quantizer.restart is None or quantizer.restart.policy == "none"
    assert isinstance(quantizer.restart, Restart | None)
