"""Every configuration of conf/data becomes a data set."""

import inspect
from pathlib import Path

import pytest
from hydra.utils import get_method, instantiate
from omegaconf import OmegaConf

from tests.data.files import install_cifar, write_folder, write_idx
from tests.data.trees import (
    write_celeba,
    write_celebahq,
    write_ffhq,
    write_imagenet,
    write_imagenet100,
    write_parquet,
    write_places365,
)
from vqx.data import Data, train_batches

FOLDER = Path(__file__).parents[2] / "conf" / "data"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name, cache):
    node = OmegaConf.create(
        {"cache_dir": str(cache), "data": OmegaConf.load(FOLDER / f"{name}.yaml")}
    )
    return node.data


# How a tiny tree of the layout is written, and how many images train and are evaluated on.
FOLDERS = {
    "folder": (write_folder, "train", 11, "validation", 5),
    "imagenet": (write_imagenet, "train", 9, "validation", 4),
    "imagenet100": (write_imagenet100, "train", 8, "validation", 4),
    "celeba": (write_celeba, "train", 3, "test", 1),
    "celebahq": (write_celebahq, "train", 2, "validation", 1),
    "ffhq": (write_ffhq, "train", 4, "validation", 2),
    "places365": (write_places365, "train", 4, "validation", 1),
    "parquet": (write_parquet, "train", 14, "test", 7),
}


def test_all_sets_are_there():
    others = {"cifar10", "cifar100", "fashion_mnist", "mnist", "photos", "photos_few"}
    assert set(NAMES) == others | set(FOLDERS)


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
    "mnist": 28,
    "photos": 64,
    "photos_few": 64,
}


@pytest.mark.parametrize("name", NAMES)
def test_each_becomes_data(name, tmp_path, monkeypatch):
    config = load(name, tmp_path)
    if name in FOLDERS:
        FOLDERS[name][0](tmp_path / "images")
        config.root = str(tmp_path / "images")
        config.update(image_size=8, load_size=9, workers=0)
    elif name.startswith("cifar"):
        install_cifar(tmp_path / "data", config.dataset, monkeypatch)
    elif name.endswith("mnist"):
        write_idx(tmp_path / "data" / config.dataset / "raw")
    data = instantiate(config, _convert_="all")
    assert isinstance(data, Data)
    assert data.name == data.train.name == data.evaluation.name == name
    assert (data.flip, data.random_crop) == (config.flip, config.random_crop)
    assert data.image_size == SIZES.get(name, 8)
    if name in FOLDERS:
        sets = (data.train.split, len(data.train), data.evaluation.split, len(data.evaluation))
        assert sets == FOLDERS[name][1:]
        batch = next(train_batches(data, batch_size=3, seed=0))[0]
        assert batch.shape == (3, 3, 8, 8)
