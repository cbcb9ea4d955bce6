"""Validation images read back, and files that are none."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.reporting.pictures.made_up import configs, frame_of, pictures, write_images
from tests.runs.synthetic import write_run
from vqx.reporting.frame import Frame
from vqx.reporting.pictures.image_files import images_of

RNG = np.random.default_rng(0)


def reason(tmp_path: Path, **options: object) -> str:
    chosen = {"seed": None, "indices": (), **options}
    found, omissions = images_of(frame_of(tmp_path).rows, **chosen)  # type: ignore[arg-type]
    assert not found
    return omissions[0].reason


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = write_run(tmp_path, configs(1)[0])
    write_images(folder, RNG, blur=1.0)
    return folder


def test_images_are_cut_as_they_were_joined(tmp_path: Path, folder: Path) -> None:
    (shown,), omissions = images_of(frame_of(tmp_path).rows, seed=None, indices=())
    assert omissions == []
    assert shown.inputs.shape == (8, 28, 28, 3)
    np.testing.assert_array_equal(shown.inputs[..., 0], pictures())
    (some,), _ = images_of(frame_of(tmp_path).rows, seed=None, indices=(5, 2))
    np.testing.assert_array_equal(some.inputs, shown.inputs[[5, 2]])


def test_the_lowest_seed_that_has_them(frame: Frame, tmp_path: Path) -> None:
    found, _ = images_of(frame.rows, seed=None, indices=())
    assert [one.run.config["seed"] for one in found] == [0, 0, 0]
    found, _ = images_of(frame.rows, seed=1, indices=())
    assert [one.run.config["seed"] for one in found] == [1, 1, 1]
    for config in configs(1, seeds=(0, 1)):
        last = write_run(tmp_path, config)
    write_images(last, RNG, blur=1.0)
    found, omissions = images_of(frame_of(tmp_path).rows, seed=None, indices=())
    assert [one.run.config["seed"] for one in found] == [1]
    assert omissions == []


def test_what_cannot_be_shown_is_said(tmp_path: Path, folder: Path) -> None:
    assert reason(tmp_path, seed=7) == "no seed 7"
    assert reason(tmp_path, indices=(8,)) == "8 images, counted from 0: no image 8"
    inputs, outputs = (folder / "images" / f"{name}.png" for name in ("inputs", "outputs"))
    Image.new("L", (28, 28)).save(outputs)
    assert "differ in size" in reason(tmp_path)
    Image.new("L", (30, 28)).save(inputs)
    assert "no row of square images (30x28)" in reason(tmp_path)
    inputs.write_bytes(b"GIF89a")
    assert "cannot be read" in reason(tmp_path)
    inputs.unlink()
    assert reason(tmp_path) == "no images/inputs.png (a run of an older version)"
    shutil.rmtree(folder / "images")
    assert "older version" in reason(tmp_path)


def test_a_torn_file_is_said(tmp_path: Path, folder: Path) -> None:
    path = folder / "images" / "outputs.png"
    path.write_bytes(path.read_bytes()[:200])
    assert "images/outputs.png cannot be read" in reason(tmp_path)


def test_an_absurd_size_is_not_decoded(tmp_path: Path, folder: Path) -> None:
    Image.new("1", (2**15, 2**12)).save(folder / "images" / "inputs.png")
    assert "too large" in reason(tmp_path)
