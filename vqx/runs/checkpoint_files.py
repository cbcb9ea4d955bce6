"""Checkpoint files of a run by their names; read without torch."""

import re
from dataclasses import dataclass
from pathlib import Path

_NAME = re.compile(r"step-(\d{8})-([0-9a-f]{16})\.pt")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One checkpoint file."""

    path: Path
    step: int
    digest: str


def find_checkpoints(folder: Path) -> list[Checkpoint]:
    """The checkpoints in `folder`, in no order; temporary and foreign files are not among them."""
    return [
        Checkpoint(path, int(match[1]), match[2])
        for path in (folder.glob("step-*.pt") if folder.is_dir() else ())
        if (match := _NAME.fullmatch(path.name))
    ]


def latest_checkpoint(folder: Path) -> Checkpoint | None:
    """The checkpoint of the highest step in `folder`, None without any."""
    return max(find_checkpoints(folder), key=lambda checkpoint: checkpoint.step, default=None)
