"""A pool of gloo ranks that live as long as the tests, so that a 2-rank test takes milliseconds.

Usage: a test takes the `two_ranks` or `four_ranks` fixture and calls `two_ranks(function, *args)`;
`function` is a module-level function of the test module, runs on every rank inside an initialised
process group, and the call returns the list of its results in rank order.
"""

import os
import tempfile
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def _serve(rank: int, world_size: int, store_path: str, connection: Connection) -> None:
    torch.set_num_threads(1)
    store = dist.FileStore(store_path, world_size)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=world_size)
    while (job := connection.recv()) is not None:
        function, args = job
        try:
            connection.send(("result", function(*args)))
        except BaseException:
            connection.send(("error", traceback.format_exc()))


class GlooPool:
    """`world_size` spawned processes in one gloo process group, started on first use."""

    def __init__(self, world_size: int) -> None:
        self.world_size = world_size
        self._processes: list[Any] = []
        self._connections: list[Connection] = []

    def __call__(self, function: Callable[..., Any], *args: Any) -> list[Any]:
        """Run `function(*args)` on every rank; results in rank order; an error is raised."""
        if not self._processes:
            self._start()
        for connection in self._connections:
            connection.send((function, args))
        answers = []
        for connection in self._connections:
            if not connection.poll(120):
                self.close()
                raise TimeoutError(f"{function.__name__} did not end on every rank in 120 s")
            answers.append(connection.recv())
        errors = [text for kind, text in answers if kind == "error"]
        if errors:
            self.close()  # ranks may now disagree about collectives: start afresh next time
            raise AssertionError("\n".join(errors))
        return [value for _, value in answers]

    def _start(self) -> None:
        context = mp.get_context("spawn")
        folder = tempfile.mkdtemp(prefix="vqx-gloo-")
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        for rank in range(self.world_size):
            ours, theirs = context.Pipe()
            args = (rank, self.world_size, str(Path(folder) / "store"), theirs)
            process = context.Process(target=_serve, args=args, daemon=True)
            process.start()
            self._processes.append(process)
            self._connections.append(ours)

    def close(self) -> None:
        """End the ranks."""
        for process in self._processes:
            process.kill()
            process.join()
        self._processes, self._connections = [], []
