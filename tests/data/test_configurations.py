"""Every configuration of conf/data becomes a data set."""

import inspect
from pathlib import Path

import pytest
from hydra.utils import get_method, instantiate
from omegaconf import OmegaConf

from tests.data.files import install_cifar, write_folder, write_idx
from vqx.data import Data

FOLDER = Path(__file__).parents[2] / "conf" / "data"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name, cache):
    node = OmegaConf.create(
        {"cache_dir": str(cache), "data": OmegaConf.load(FOLDER / f"{name}.yaml")}
    )
    return node.data


def test_all_sets_are_there():
    assert NAMES == ["cifar10", "cifar100", "fashion_mnist", "folder", "mnist", "photos"]


@pytest.mark.parametrize("name", NAMES)
def test_each_states_its_name_flags_and_source(name, tmp_path):
    config = load(name, tmp_path)
    assert config.name == name
    assert {"image_size", "flip", "random_crop", "shuffle"} <= set(config)
    keywords = inspect.signature(get_method(config._target_)).parameters
    optional = {"debian_package"}  # only where there is one
    assert set(keywords) - optional <= set(config) - {"_target_"} <= set(keywords)
    assert (FOLDER / f"{name}.yaml").read_text().startswith("# ")


SIZES = {
    "cifar10": 32,
    "cifar100": 32,
    "fashion_mnist": 32,
    "folder": 8,
    "mnist": 28,
    "photos": 64,
}


@pytest.mark.parametrize("name", NAMES)
def test_each_becomes_data(name, tmp_path, monkeypatch):
    config = load(name, tmp_path)
    if name == "folder":
        config.root = str(write_folder(tmp_path / "images"))
        config.image_size = 8
    elif name.startswith("cifar"):
        install_cifar(tmp_path / "data", config.dataset, monkeypatch)
    elif name.endswith("mnist"):
        write_idx(tmp_path / "data" / config.dataset / "raw")
    data = instantiate(config, _convert_="all")
    assert isinstance(data, Data)
    assert data.name == data.train.name == data.evaluation.name == name
    assert (data.flip, data.random_crop) == (config.flip, config.random_crop)
    assert data.image_size == SIZES[name]
