"""Reading a batch image by image: windows cut, mirrored, and unreadable images accounted for.

Axes: b rows of one read, H W pixels, C channels, S side of the window, N images.
"""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from vqx.data.image_set import ImageSet, Views
from vqx.data.recipe import window_corner
from vqx.errors import DataError

Position = tuple[float, float]  # (down, right) in [0, 1), see Views
Request = tuple[list[int], list[Position] | None, list[bool] | None]
Broken = Literal["stop", "replace", "leave_out"]


@dataclass(frozen=True, slots=True)
class Answer:
    """uint8 (b, C, S, S), None if b = 0, and (name, reason) of the unreadable images met."""

    images: Tensor | None
    broken: list[tuple[str, str]]


class Reader(ABC):
    """Reads N images one by one; a frozen dataclass, so that processes can have it too.

    `broken`: what an unreadable image does. "stop": the batch ends with it; "replace": the next
    readable one takes its place; "leave_out": its row is missing.
    """

    channels: int
    image_size: int
    broken: Broken

    @abstractmethod
    def __len__(self) -> int:
        """N, unreadable ones included."""

    @abstractmethod
    def window(self, index: int, position: Position | None) -> np.ndarray:
        """Window (S, S, C) uint8 of image `index` at `position` (down, right); None: the centre.

        A copy or not, not to be written to. Raises anything if the image is unreadable.
        """

    @abstractmethod
    def name_of(self, index: int) -> str:
        """For messages, printable."""

    @abstractmethod
    def error(self, name: str, reason: str) -> DataError:
        """What to raise for the unreadable image `name`."""

    def __getitem__(self, request: Request) -> Answer:
        """The windows (indices, positions or None, flips or None) asked for."""
        indices, positions, flips = request
        size, kept = self.image_size, 0
        batch = np.empty((len(indices), self.channels, size, size), np.uint8)
        broken: list[tuple[str, str]] = []
        for row, index in enumerate(indices):
            position = None if positions is None else positions[row]
            window = self._first_readable(index, position, broken)
            if window is not None:
                mirrored = flips is not None and flips[row]
                # One copy from where the image lies: cut, mirrored, channels first.
                batch[kept] = (window[:, ::-1] if mirrored else window).transpose(2, 0, 1)
                kept += 1
            elif self.broken == "stop":
                break
        return Answer(torch.from_numpy(batch[:kept]) if kept else None, broken)

    def _first_readable(
        self, index: int, position: Position | None, broken: list[tuple[str, str]]
    ) -> np.ndarray | None:
        # Which image replaces a broken one depends on the images alone: the next in the list.
        count = len(self)
        for offset in range(count if self.broken == "replace" else 1):
            candidate = (index + offset) % count
            try:
                return self.window(candidate, position)
            except Exception as error:  # a damaged file can raise anything inside a decoder
                reason = " ".join(str(error).split()) or type(error).__name__
                broken.append((self.name_of(candidate), reason))
        return None


class ReaderImages(ImageSet):
    """An image set that a `Reader` reads, by whatever `_answers` runs it in."""

    reader: Reader

    def __init__(self, reader: Reader, *, name: str, split: str, description: str) -> None:
        self.reader = reader
        self.name = name
        self.split = split
        self.channels = reader.channels
        self.image_size = reader.image_size
        self.description = description
        self._left_out: set[str] = set()

    def __len__(self) -> int:
        return len(self.reader)

    @property
    def left_out(self) -> list[str]:
        """See `ImageSet.left_out`."""
        return sorted(self._left_out)

    @abstractmethod
    def _answers(self, requests: Iterable[Request], workers: int) -> Generator[Answer, None, None]:
        """The reader's answers to `requests`, in order, `workers` of them computed ahead."""

    def read(
        self, views: Iterable[Views], *, workers: int = 0
    ) -> Generator[Tensor | None, None, None]:
        """See `ImageSet.read`. Raises DataError for an image that `broken` does not forgive."""
        with closing(self._answers(requests_of(views), workers)) as answers:
            for answer in answers:
                self._account_for(answer)
                yield answer.images

    def _account_for(self, answer: Answer) -> None:
        if answer.broken and self.reader.broken == "stop":
            raise self.reader.error(*answer.broken[0])
        if answer.images is None and self.reader.broken == "replace":
            name, reason = answer.broken[0]
            raise DataError(
                f"no image of the {self.split} split of '{self.name}' can be read, among them "
                f"{name} ({reason})"
            )
        self._left_out.update(name for name, _ in answer.broken)


def cut(pixels: np.ndarray, size: int, position: Position | None) -> np.ndarray:
    """Window (S, S, C) of `pixels` (H, W, C) at `position`; a view."""
    top, left = window_corner(pixels.shape[0], pixels.shape[1], size, position)
    return pixels[top : top + size, left : left + size]


def requests_of(views: Iterable[Views]) -> Iterator[Request]:
    """Each of `views` in Python's own types.

    A tensor would reach processes through shared memory, one file each.
    """
    for view in views:
        position = None if view.position is None else [(p[0], p[1]) for p in view.position.tolist()]
        yield view.indices.tolist(), position, None if view.flip is None else view.flip.tolist()
