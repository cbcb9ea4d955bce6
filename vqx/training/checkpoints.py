"""Checkpoints that survive a kill at any instant, and prove that they did.

A file is named step-<step>-<sha256 prefix>.pt: it appears by one rename, complete, and its name
says what its bytes must hash to. Only tensors and plain values are stored, so that loading with
`weights_only=True` is enough and a folder from a stranger cannot run code.
"""

import hashlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from vqx.errors import CheckpointError
from vqx.runs.checkpoint_files import Checkpoint, find_checkpoints
from vqx.runs.files import allowed, atomic_file

KEEP = 2


def list_checkpoints(folder: Path) -> list[Checkpoint]:
    """The checkpoints in `folder`, newest first; temporary and foreign files are not among them."""
    found = find_checkpoints(folder)
    return sorted(found, key=lambda c: (c.step, c.path.stat().st_mtime_ns), reverse=True)


def save(
    folder: Path,
    state: Mapping[str, Any],
    *,
    step: int,
    check: Callable[[], None] = allowed,
) -> Checkpoint:
    """Write `state` atomically, then drop all but the newest two.

    `check` raises when the folder is another process's now. Raises VqxError when the disk is full;
    the checkpoints already there are untouched.
    """
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    data = buffer.getbuffer()
    digest = hashlib.sha256(data).hexdigest()[:16]
    path = folder / f"step-{step:08d}-{digest}.pt"
    with atomic_file(path, check=check) as file:
        file.write(data)
    check()
    for old in list_checkpoints(folder)[KEEP:]:
        old.path.unlink()
    return Checkpoint(path, step, digest)


def load(checkpoint: Checkpoint) -> dict[str, Any]:
    """The state stored in `checkpoint`, on the CPU. Raises CheckpointError if a byte is wrong."""
    data = checkpoint.path.read_bytes()
    if hashlib.sha256(data).hexdigest()[:16] != checkpoint.digest:
        raise CheckpointError(f"{checkpoint.path} is damaged: its bytes do not match its name")
    state: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return state


def load_newest(folder: Path) -> tuple[dict[str, Any] | None, list[Path]]:
    """The newest intact state, or None without any checkpoint, and damaged files passed over.

    Raises CheckpointError when there are checkpoints and none is intact: starting again from
    nothing must be the user's decision.
    """
    damaged: list[Path] = []
    checkpoints = list_checkpoints(folder)
    for checkpoint in checkpoints:
        try:
            return load(checkpoint), damaged
        except CheckpointError:
            damaged.append(checkpoint.path)
    if checkpoints:
        raise CheckpointError(
            f"no intact checkpoint in {folder}: the bytes of {', '.join(p.name for p in damaged)} "
            "do not match their names. Remove that folder to train from the start"
        )
    return None, damaged
