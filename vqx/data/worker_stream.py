"""Reading ahead in worker processes that outlive signals and are never left behind."""

import atexit
import os
import signal
from collections.abc import Iterable, Iterator
from functools import partial
from multiprocessing.util import Finalize
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from vqx.processes import end_with_parent


def _start_worker(worker: int, *, parent: int) -> None:
    # A worker that waits with its answer in a full pipe would wait for ever for a killed parent.
    end_with_parent(parent)
    # Ctrl-C and schedulers signal the whole process group. The parent answers by saving its state,
    # for which it still needs its workers; they end when it closes them or is gone.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)


def _as_is(item: Any) -> Any:
    return item


class WorkerStream(Iterator[Any]):
    """`dataset[request]` for each request, in order, computed ahead by `workers` processes.

    0 workers compute in this process. `start_method` is multiprocessing's; None is Python's
    default. `close()` ends the workers; so does the end of this process, however it comes.
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        requests: Iterable[Any],
        *,
        workers: int,
        start_method: str | None = None,
    ) -> None:
        loader = DataLoader(
            dataset,
            batch_size=None,
            sampler=requests,
            num_workers=workers,
            collate_fn=_as_is,
            worker_init_fn=partial(_start_worker, parent=os.getpid()),
            multiprocessing_context=start_method if workers else None,
            # The loader draws a seed, even with 0 workers: not from the default generator.
            generator=torch.Generator(),
        )
        self._iterator = iter(loader)
        self._finalize = None
        if workers:
            # Python joins its daemons when it exits and these ignore SIGTERM: end them before. A
            # process of multiprocessing runs finalizers alone, the queues' own (priority 10) after
            # this one; in the main process torch's exit hook can turn the shutdown off before
            # that, so this one is also registered as a hook: the latest runs first.
            shut_down = self._iterator._shutdown_workers  # type: ignore[attr-defined]
            self._finalize = Finalize(self, shut_down, exitpriority=100)
            atexit.register(self._finalize)

    def __next__(self) -> Any:
        return next(self._iterator)

    def close(self) -> None:
        """End the workers and wait for them; does nothing the second time."""
        if self._finalize is not None:
            self._finalize()
            atexit.unregister(self._finalize)
