"""Worker processes: order, signals, and that none is left behind."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import suppress

import pytest
import torch
from torch.utils.data import Dataset

from vqx.data.worker_stream import WorkerStream


class Squares(Dataset):
    """Answers with the square, the process and its number of torch threads."""

    def __getitem__(self, n):
        return n * n, os.getpid(), torch.get_num_threads()


def drain(workers, count=20, **options):
    stream = WorkerStream(Squares(), range(count), workers=workers, **options)
    try:
        return list(stream)
    finally:
        stream.close()


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("workers", [0, 1, 3])
def test_answers_come_in_order_from_as_many_processes(workers, started):
    answers = drain(workers)
    assert [square for square, _, _ in answers] == [n * n for n in range(20)]
    assert len({pid for _, pid, _ in answers}) == max(workers, 1)
    assert ({pid for _, pid, _ in answers} == {os.getpid()}) == (workers == 0)
    if workers:
        assert {threads for _, _, threads in answers} == {1}
    assert not started()


@pytest.mark.parametrize("workers", [0, 1])
def test_the_default_generator_is_left_alone(workers):
    before = torch.random.get_rng_state()
    drain(workers, 3)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_closing_early_leaves_no_process(started):
    stream = WorkerStream(Squares(), range(1000), workers=2)
    next(stream)
    assert len(started()) == 2
    stream.close()
    stream.close()
    assert not started()


def test_a_forgotten_stream_leaves_no_process(started):
    stream = WorkerStream(Squares(), range(1000), workers=1)
    next(stream)
    del stream
    assert not started()


def test_signals_to_the_whole_group_do_not_end_the_workers(started):
    stream = WorkerStream(Squares(), range(200), workers=2)
    answers = [next(stream), next(stream)]
    for _, pid, _ in answers:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
            os.kill(pid, number)
    answers += list(stream)
    assert [square for square, _, _ in answers] == [n * n for n in range(200)]
    stream.close()
    assert not started()


@pytest.mark.slow
def test_spawned_workers_give_the_same():
    assert [a for a, _, _ in drain(1, start_method="spawn")] == [n * n for n in range(20)]


SCRIPT = """
# Before torch: torch's own exit hook then runs first, the harder of the two orders.
import multiprocessing.util
import os, signal, sys
from tests.data.test_worker_stream import Squares
from vqx.data.worker_stream import WorkerStream

def abandon():
    global stream
    stream = WorkerStream(Squares(), range(1000), workers=2)
    next(stream)
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)

if sys.argv[1] == "raise":
    abandon()
    raise KeyboardInterrupt
if sys.argv[1] == "kill":
    abandon()
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[1] == "child":
    process = multiprocessing.get_context("fork").Process(target=abandon)
    process.start()
    process.join()
"""


@pytest.mark.slow
@pytest.mark.parametrize("end", ["raise", "kill", "child"])
def test_workers_end_with_their_process_however_it_ends(end):
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), end],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        workers = [int(pid) for pid in process.communicate(timeout=60)[0].split()]
        assert len(workers) == 2
        assert all_end(workers)
    finally:  # a failing test must not leave behind what it looks for
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def all_end(workers):
    deadline = time.monotonic() + 15
    while any(alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not any(alive(pid) for pid in workers)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # An ended process that nobody waited for is not alive.
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0] != "Z"
