"""Weight files on the disk: hashed, read without executing anything, written atomically.

Tensors of a convolution: weight (out, in, height, width), bias (out).
"""

import contextlib
import fcntl
import hashlib
import os
import pickle
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from vqx.errors import WeightsMissing

PUBLISHED = "published_sha256"  # the key in a file's metadata


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)  # mkstemp's 0600 would hide a shared cache from the group
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock on `path`: of several processes on one machine that fill it, one works."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as file:
        # A file system without locks costs a second download; the file is whole either way.
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def load_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a .safetensors file or a PyTorch checkpoint, on the CPU; runs no pickled code.

    Raises WeightsMissing when the file is damaged or holds anything but tensors.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        tensors = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(tensors, dict) or not all(map(torch.is_tensor, tensors.values())):
            raise ValueError("not a dictionary of tensors")
        return tensors
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise WeightsMissing(
            f"{path} cannot be read as weights ({reason}): delete it and fetch it again"
        ) from error


def convolutions_of(path: Path) -> dict[str, Tensor]:
    """The convolutions in `path`: our own file, or torchvision's whole classifier network."""
    tensors = load_tensors(path)
    return part_of(tensors, "features.") or tensors


def part_of(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Those of `tensors` whose names begin with `prefix`, without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def weights_digest(path: Path) -> str:
    """SHA-256 that names the weights in `path`: of the published file where `path` tells it."""
    from safetensors import SafetensorError, safe_open

    if path.suffix == ".safetensors":
        with contextlib.suppress(SafetensorError), safe_open(path, framework="pt") as file:
            if digest := (file.metadata() or {}).get(PUBLISHED):
                return digest
    return sha256_of(path)


def save_tensors(tensors: Mapping[str, Tensor], path: Path, *, published: str = "") -> None:
    """Write `tensors` to `path`, atomically; equal tensors give equal bytes.

    `published` is the hash of the file they come from, which `weights_digest` then gives.
    """
    from safetensors.torch import save_file

    ordered = {name: tensors[name].contiguous() for name in sorted(tensors)}
    with replacing(path) as temporary:
        save_file(ordered, temporary, metadata={PUBLISHED: published} if published else None)
