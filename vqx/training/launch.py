"""From a configuration and a folder to a finished run: on this process, or on several.

Whoever holds the folder's lock answers for it: this process, the parent of spawned ranks, or the
first rank under torchrun and srun.
"""

import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.multiprocessing as mp

from vqx.errors import ConfigError, VqxError
from vqx.processes import end_with_parent
from vqx.runs.configuration import write_configuration
from vqx.runs.folder import RunFolder
from vqx.runs.lock import RunLock
from vqx.runs.provenance import write_provenance
from vqx.runs.status import State, Status, state_after
from vqx.training.rank import train_rank
from vqx.training.result import device_name
from vqx.training.settings import TrainerSettings
from vqx.training.signals import STOP_SIGNALS, StopRequest
from vqx.training.world import Rank, pick_device, rank_from_environment

# After one rank has failed the others get this long to say why they fail too.
_GRACE_SECONDS = 10.0


def run_training(config: dict[str, Any], folder: RunFolder, *, overrides: Sequence[str]) -> int:
    """Train the run of `config` in `folder`, or go on with it, until result.json is there.

    Returns the number of a stop signal that came too late to interrupt it, else 0. Raises what
    ended the run otherwise: Interrupted, Diverged, RunLocked, another VqxError, or the exception
    of the rank that failed first.
    """
    settings = TrainerSettings.from_config(config["trainer"])
    if type(config["seed"]) is not int:
        raise ConfigError(f"seed must be a whole number; got {config['seed']!r}")
    rank = rank_from_environment()
    with ExitStack() as stack:
        if rank is None or rank.rank == 0:
            stack.enter_context(RunLock(folder.path))
            if folder.is_done:  # by another process, while this one waited for its turn
                return 0
            _prepare(config, folder, settings, overrides=overrides, rank=rank)
        if rank is None and settings.devices > 1:
            return _spawn_ranks(config, folder, settings.devices)
        with StopRequest() as stop:
            try:
                train_rank(config, folder, rank or Rank(), stop)
            finally:
                stop.call_previous()
            return stop.signal_number


def _prepare(
    config: dict[str, Any],
    folder: RunFolder,
    settings: TrainerSettings,
    *,
    overrides: Sequence[str],
    rank: Rank | None,
) -> None:
    """Say in the folder what is about to run; the lock is held."""
    folder.clear_error()
    write_configuration(folder, config, overrides=overrides)
    device = pick_device(settings.device, 0)
    write_provenance(
        folder,
        command=sys.argv,
        seed=int(config["seed"]),
        device=device_name(device),
        devices=settings.devices if rank is None else rank.size,
        extra={"torch": torch.__version__, "cuda": torch.version.cuda},
    )


def _spawn_ranks(config: dict[str, Any], folder: RunFolder, devices: int) -> int:
    """Start `devices` ranks on this machine, pass stop signals on to them, and wait.

    Returns the number of a stop signal that came too late. When one fails the others are ended
    within seconds and its exception is raised here.
    """
    context = mp.get_context("spawn")
    failures = context.SimpleQueue()
    processes: list[Any] = []

    def pass_on(number: int) -> None:
        for process in processes:
            if process.is_alive():
                os.kill(process.pid, number)

    with (
        tempfile.TemporaryDirectory(prefix="vqx-") as place,
        StopRequest(on_signal=pass_on) as stop,
    ):
        for index in range(devices):
            # A file needs no port, and so races with nobody.
            rank = Rank(index, devices, index, devices, str(Path(place) / "store"))
            arguments = (config, folder, rank, failures, os.getpid())
            processes.append(context.Process(target=_spawned, args=arguments))
        _start(processes)
        try:
            _wait(processes)
        finally:
            for process in processes:
                process.kill()
                process.join()
            stop.call_previous()
        exit_codes = [process.exitcode for process in processes]
        if any(exit_codes) or not failures.empty():
            _raise_failure(folder, failures, exit_codes)
        return stop.signal_number


def _start(processes: Sequence[Any]) -> None:
    """Start ranks with the stop signals blocked until they can note one: it waits for them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        for process in processes:
            process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def _wait(processes: Sequence[Any]) -> None:
    """Until all have ended, or a moment after one of them failed."""
    deadline: float | None = None
    while any(process.is_alive() for process in processes):
        for process in processes:
            process.join(timeout=0.05)
        failed = any(process.exitcode not in (None, 0) for process in processes)
        if failed and deadline is None:
            deadline = time.monotonic() + _GRACE_SECONDS
        if deadline is not None and time.monotonic() > deadline:
            return


def _raise_failure(folder: RunFolder, failures: Any, exit_codes: Sequence[int]) -> None:
    if failures.empty():
        rank = next(i for i, code in enumerate(exit_codes) if code != 0)
        message = f"rank {rank} died without a word (exit code {exit_codes[rank]}; out of memory?)"
        folder.write_error(message + "\n")
        _write_end(folder, State.FAILED, message)
        raise VqxError(f"{message}: see {folder.path}")
    error, message = failures.get()
    # The first rank may have had no time for it, or have said how it lost its partner.
    _write_end(folder, state_after(error), message)
    raise error


def _write_end(folder: RunFolder, state: State, message: str) -> None:
    last = folder.read_status() or Status(state=state)
    folder.write_status(replace(last, state=state, eta_seconds=None, message=message))


def _spawned(
    config: dict[str, Any], folder: RunFolder, rank: Rank, failures: Any, parent: int
) -> None:
    """One spawned rank. Its failure goes to the parent, the first one first."""
    end_with_parent(parent)
    with StopRequest(patient=True) as stop:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        try:
            train_rank(config, folder, rank, stop)
        except BaseException as error:
            failures.put(_portable(error, rank))
            sys.stdout.flush()
            os._exit(1)  # not through the process group's farewell, which may wait for other ranks


def _portable(error: BaseException, rank: Rank) -> tuple[BaseException, str]:
    """`error` as something another process can raise, and its first line."""
    first_line = (str(error).splitlines() or [""])[0]
    if isinstance(error, VqxError):
        return error, first_line
    message = f"rank {rank.rank}: {type(error).__name__}: {first_line}"
    return RuntimeError(f"{message}\n{traceback.format_exc()}"), message
