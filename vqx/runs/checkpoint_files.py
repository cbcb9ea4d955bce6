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


def latest_step(folder: Path) -> int:
    """The step of the newest checkpoint in `folder`, 0 without one."""
    return max((checkpoint.step for checkpoint in find_checkpoints(folder)), default=0)
