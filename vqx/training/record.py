"""What a run writes while it trains: metrics.jsonl, heartbeat, pictures, the chosen logger.

Only the first rank writes; on the others every call does nothing.
"""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from vqx.data import Data, Views
from vqx.models import Tokenizer
from vqx.runs.files import LineFile
from vqx.runs.folder import RunFolder
from vqx.runs.status import Heartbeat
from vqx.training.evaluation import reconstruct
from vqx.training.loggers import Logger
from vqx.training.pictures import image_strip, reconstruction_grid, save_picture

PICTURED_IMAGES = 8


@dataclass(slots=True)
class Record:
    """The run folder and logger as the training loop sees them.

    Make it once metrics.jsonl is cut to the state that is trained on.
    """

    folder: RunFolder
    logger: Logger
    heartbeat: Heartbeat | None  # None: not the first rank
    _lines: LineFile | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.heartbeat is not None:
            self._lines = LineFile(self.folder.metrics)
            self.folder.check()  # opened before a new owner replaces the file, then never its

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.folder.checkpoints

    def line(
        self, kind: str, *, step: int, images_seen: int, seconds: float, values: Mapping[str, float]
    ) -> None:
        """Append one line to metrics.jsonl and pass it on to the logger."""
        if self._lines is None:
            return
        head: dict[str, Any] = {"step": step, "images_seen": images_seen, "kind": kind}
        record = {**head, "time": round(seconds, 3), **values}
        self._lines.append(record)
        self.logger.line(record)

    def alive(
        self,
        *,
        step: int,
        steps: int,
        eta_seconds: float | None = None,
        images_per_second: float | None = None,
    ) -> None:
        """Let status.json say how far the run is."""
        if self.heartbeat is not None:
            self.heartbeat.update(
                step=step,
                steps=steps,
                eta_seconds=eta_seconds,
                images_per_second=images_per_second,
            )

    def flush(self) -> None:
        """Bring metrics.jsonl to the disk before a checkpoint claims its steps are there."""
        if self._lines is not None:
            self._lines.sync()

    def close(self) -> None:
        """Write no more lines."""
        if self._lines is not None:
            self._lines.close()

    @torch.no_grad()
    def reconstructions(self, tokenizer: Tokenizer, data: Data, *, step: int) -> None:
        """Save input, reconstruction and difference of the images that every run shows."""
        if self.heartbeat is None:
            return
        count = min(PICTURED_IMAGES, len(data.evaluation))
        spread = torch.linspace(0, len(data.evaluation) - 1, count).round().long()
        with closing(data.evaluation.read([Views(spread)])) as batches:
            real = next(batches)
        if real is None:  # all of them are unreadable and left out
            return
        real = real.to(next(tokenizer.parameters()).device)
        was_training = tokenizer.training
        fake, _ = reconstruct(tokenizer.eval(), real)
        tokenizer.train(was_training)
        grid = reconstruction_grid(real, fake)
        for name in (f"step-{step:08d}.png", "reconstructions.png"):
            save_picture(grid, self.folder.images / name)
        # By themselves, pixel for pixel: tables show the same images through every row.
        for name, images in (("inputs.png", real), ("outputs.png", fake)):
            save_picture(image_strip(images), self.folder.images / name)
        self.logger.picture(self.folder.images / f"step-{step:08d}.png", step=step)
