"""Where metrics go beside metrics.jsonl, which is always written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from vqx.runs.status import State
from vqx.tracking.wandb_logger import WandbLogger

__all__ = ["Logger", "NoLogger", "WandbLogger"]


class Logger(Protocol):
    """A sink of metrics. Every call happens on the first rank only."""

    def start(self, *, folder: Path, signature: str, name: str, config: Mapping[str, Any]) -> None:
        """Begin, or go on after a resume, under the run's signature.

        metrics.jsonl in `folder` is cut to the state that is trained on; its lines may have been
        recorded before, and some of those that were cut too: they come again.
        """

    def line(self, record: Mapping[str, Any]) -> None:
        """Record one line of metrics.jsonl: step, images_seen, kind, time and its values."""

    def picture(self, path: Path, *, step: int) -> None:
        """Record the picture of reconstructions of the evaluation at optimizer step `step`."""

    def finish(self, *, state: State, exit_code: int, message: str = "") -> None:
        """End; `exit_code` is what the command will exit with, `message` says why.

        When `state` is done or collapsed, result.json is in the folder, else it may not be.
        """


class NoLogger:
    """Nothing beside metrics.jsonl."""

    def start(self, *, folder: Path, signature: str, name: str, config: Mapping[str, Any]) -> None:
        """Nothing to begin."""

    def line(self, record: Mapping[str, Any]) -> None:
        """Nothing to record."""

    def picture(self, path: Path, *, step: int) -> None:
        """Nothing to show."""

    def finish(self, *, state: State, exit_code: int, message: str = "") -> None:
        """Nothing to end."""
