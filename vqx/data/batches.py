"""Batches for the trainer: this rank's part of each training step, and of the evaluation set.

Axes: B global batch, b rows of one batch, C channels, H W pixels, N images, W ranks.
"""

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count, islice

import torch
from torch import Tensor

from vqx.data.device_copies import on_device
from vqx.data.image_set import Data, Views
from vqx.data.order import Order, draw_views
from vqx.errors import ConfigError


def train_batches(
    data: Data,
    *,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    rank: int = 0,
    world_size: int = 1,
    micro_batches: int = 1,
    device: torch.device | str = "cpu",
) -> Generator[list[Tensor], None, None]:
    """Training steps from `start_step` on, without end: `micro_batches` uint8 (b, C, H, W) each.

    `batch_size` is the global B. A step is this rank's contiguous part of it, cut in order; parts
    may differ by one image. What a step holds depends on (seed, step, B) alone. Close the iterator
    to end its workers. Raises ConfigError where a micro-batch would be empty.
    """
    if batch_size < world_size * micro_batches:
        raise ConfigError(
            f"batch_size={batch_size} leaves a micro-batch empty: it must be >= world_size * "
            f"micro_batches = {world_size} * {micro_batches} = {world_size * micro_batches}"
        )
    parts = parts_of(batch_size, rank=rank, world_size=world_size, micro_batches=micro_batches)
    order = Order(len(data.train), batch_size=batch_size, seed=seed, shuffle=data.shuffle)
    views = _training_views(data, order, parts, start_step)
    return _training_steps(data, views, micro_batches, torch.device(device))


def parts_of(batch_size: int, *, rank: int, world_size: int, micro_batches: int) -> list[slice]:
    """Rows of the global batch that are this rank's micro-batches, in order."""
    mine = torch.arange(batch_size).tensor_split(world_size)[rank].tensor_split(micro_batches)
    return [slice(int(rows[0]), int(rows[-1]) + 1) for rows in mine]


def _training_views(
    data: Data, order: Order, parts: list[slice], start_step: int
) -> Iterator[Views]:
    for step in count(start_step):
        views = draw_views(
            order(step), seed=order.seed, step=step, random_crop=data.random_crop, flip=data.flip
        )
        yield from (views.rows(part) for part in parts)


def _training_steps(
    data: Data, views: Iterator[Views], micro_batches: int, device: torch.device
) -> Generator[list[Tensor], None, None]:
    with (
        closing(data.train.read(views, workers=data.workers)) as read,
        closing(on_device(read, device, ahead=micro_batches + 1)) as images,
    ):
        while True:
            # A training set replaces what it cannot read, so no batch is missing.
            step = [batch for batch in islice(images, micro_batches) if batch is not None]
            assert len(step) == micro_batches
            yield step


@dataclass(frozen=True, slots=True)
class EvaluationBatches:
    """This rank's images of the evaluation set; iterate it as often as wanted.

    Yields uint8 (b, C, H, W), b <= `batch_size`, the same windows in the same order each time.
    Each image is on exactly one rank, rank r holding the r-th contiguous part; there is no padding.
    """

    data: Data
    batch_size: int
    rank: int
    world_size: int
    device: torch.device

    @property
    def rounds(self) -> int:
        """The largest number of batches that any rank can get, the same on all ranks.

        A rank may yield fewer (its part is smaller, or a whole batch was left out); to take part
        in collectives equally often, ranks go through `rounds` rounds.
        """
        most = -(-len(self.data.evaluation) // self.world_size)
        return -(-most // self.batch_size)

    @property
    def left_out(self) -> list[str]:
        """Names of the unreadable images that this rank has met and left out, sorted."""
        return self.data.evaluation.left_out

    def __iter__(self) -> Generator[Tensor, None, None]:
        indices = torch.arange(len(self.data.evaluation)).tensor_split(self.world_size)[self.rank]
        views = (Views(part) for part in indices.split(self.batch_size) if len(part))
        with (
            closing(self.data.evaluation.read(views, workers=self.data.workers)) as read,
            closing(on_device(read, self.device)) as images,
        ):
            for batch in images:
                if batch is not None:
                    yield batch


def evaluation_batches(
    data: Data,
    *,
    batch_size: int,
    rank: int = 0,
    world_size: int = 1,
    device: torch.device | str = "cpu",
) -> EvaluationBatches:
    """This rank's part of the evaluation set in batches of at most `batch_size` images."""
    if batch_size < 1:
        raise ConfigError(f"the evaluation's batch_size={batch_size} must be at least 1")
    return EvaluationBatches(data, batch_size, rank, world_size, torch.device(device))


def to_device(batch: Tensor, device: torch.device) -> Tensor:
    """`batch` on `device`; to a GPU through pinned memory, without waiting for the copy."""
    if device.type != "cuda":
        return batch.to(device)
    return batch.pin_memory().to(device, non_blocking=True)
