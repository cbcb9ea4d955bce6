"""per_image.npz read back."""

from pathlib import Path

import numpy as np
import pytest

from tests.runs.synthetic import config_of, write_run
from vqx.reporting.per_image import PerImage, read_per_image
from vqx.reporting.two_runs import read_folder
from vqx.runs.reading import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return read_folder(write_run(tmp_path, config_of()))


def test_values_and_digest(run: Run) -> None:
    psnr = np.array([1, 2, 3], "f4")
    np.savez_compressed(run.folder.per_image, psnr=psnr, images=np.array("abc"))
    found = read_per_image(run)
    assert isinstance(found, PerImage)
    assert found.images == "abc"
    assert found.values["psnr"].tolist() == [1, 2, 3]


def test_why_there_are_none(run: Run) -> None:
    path = run.folder.per_image
    assert read_per_image(run) == "no per_image.npz"
    path.write_bytes(b"")
    assert "damaged" in str(read_per_image(run))
    path.write_bytes(b"PK\x03\x04 torn")
    assert "damaged" in str(read_per_image(run))
    np.savez(path, psnr=np.zeros(3))
    assert "damaged" in str(read_per_image(run))
    np.savez(path, psnr=np.zeros(3), l1=np.zeros(2), images=np.array("abc"))
    assert "damaged" in str(read_per_image(run))
    np.savez(path, images=np.array("abc"))
    assert "damaged" in str(read_per_image(run))
    np.savez(path, psnr=np.array([{}], object), images=np.array("abc"))
    assert "damaged" in str(read_per_image(run))
