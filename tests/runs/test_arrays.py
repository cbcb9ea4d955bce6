"""Arrays of a stranger's run folder: read, or refused in words, whatever the file holds."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vqx.runs.arrays import read_arrays


def archive() -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, psnr=np.arange(500, dtype=np.float32), images=np.array("abc"))
    return file.getvalue()


def test_arrays_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(archive())
    found = read_arrays(tmp_path / "a.npz")
    assert isinstance(found, dict)
    assert str(found["images"]) == "abc"
    assert found["psnr"].tolist() == list(range(500))


def test_what_is_no_archive_is_said(tmp_path: Path) -> None:
    assert read_arrays(tmp_path / "a.npz") == "no a.npz"
    np.save(tmp_path / "b", np.arange(3))
    (tmp_path / "b.npy").rename(tmp_path / "b.npz")
    assert "b.npz is damaged" in read_arrays(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", x=np.array([{}], dtype=object))
    assert read_arrays(tmp_path / "c.npz") == "c.npz is damaged (ValueError)"
    (tmp_path / "d.npz").mkdir()
    assert "d.npz is damaged" in read_arrays(tmp_path / "d.npz")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_no_damage_is_an_exception(tmp_path: Path, changes: list[tuple[float, int]]) -> None:
    content = bytearray(archive())
    for place, value in changes:
        content[int(place * (len(content) - 1))] = value
    (tmp_path / "a.npz").write_bytes(content)
    assert isinstance(read_arrays(tmp_path / "a.npz"), dict | str)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_file_cut_off(tmp_path: Path, share: float) -> None:
    content = archive()
    (tmp_path / "a.npz").write_bytes(content[: int(share * len(content))])
    assert "a.npz is damaged" in read_arrays(tmp_path / "a.npz")
