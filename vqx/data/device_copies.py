"""Batches to the device: on a GPU read, pinned and copied ahead, beside the computation.

Axes: b rows, C channels, H W pixels.
"""

from collections.abc import Generator
from contextlib import closing
from itertools import repeat
from typing import Any, Protocol

import torch
from torch import Tensor

from vqx.data.reading_ahead import read_ahead

Batches = Generator[Tensor | None, None, None]
_END = object()


class Copier(Protocol):
    """A way to a device in two halves: `stage` in the reading thread, `take` in the computing."""

    def stage(self, batch: Tensor) -> Any:
        """Begin to copy `batch`, without waiting for it."""

    def take(self, staged: Any) -> Tensor:
        """The copy, safe to use in this thread's computation from now on."""


class CudaCopier:
    """Copies to the GPU `device` on a stream of its own."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)

    def stage(self, batch: Tensor) -> tuple[Tensor, torch.cuda.Event]:
        """See `Copier.stage`."""
        # Of this thread: else pinning would open a context on the first GPU, whatever the rank.
        with torch.cuda.device(self._device), torch.cuda.stream(self._stream):
            copy = batch.pin_memory().to(self._device, non_blocking=True)
            return copy, self._stream.record_event()

    def take(self, staged: tuple[Tensor, torch.cuda.Event]) -> Tensor:
        """See `Copier.take`: the GPU waits for the copy, this thread does not."""
        copy, done = staged
        computing = torch.cuda.current_stream(self._device)
        computing.wait_event(done)
        # The memory belongs to the copying stream, which must not reuse it before the last use.
        copy.record_stream(computing)
        return copy


def on_device(batches: Batches, device: torch.device, *, ahead: int = 2) -> Batches:
    """`batches` on `device`; on a GPU `ahead` of them are read and copied while it computes.

    Close this before `batches`: it ends the thread that reads them.
    """
    if device.type == "cuda":
        yield from copied_ahead(batches, CudaCopier(device), ahead=ahead)
    else:
        for batch in batches:
            yield None if batch is None else batch.to(device)


def copied_ahead(batches: Batches, copier: Copier, *, ahead: int) -> Batches:
    """`batches` in order through `copier`, `ahead` of them staged by a thread before they are due.

    The first is read by the caller's thread, so that worker processes are started by it: they end
    with the thread that has started them.
    """

    def stage_next(_: None) -> Any:
        batch = next(batches, _END)
        return copier.stage(batch) if isinstance(batch, Tensor) else batch

    staged = stage_next(None)
    with closing(read_ahead(stage_next, repeat(None), threads=1, ahead=ahead)) as later:
        while staged is not _END:
            yield None if staged is None else copier.take(staged)
            staged = next(later)
