"""Readers in processes of their own: counted rightly, and none can stop the benchmark."""

import multiprocessing
import os
import signal
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

import pytest
import torch

from vqx.benchmarks.data_process import (
    ReaderFailed,
    ReaderProcess,
    Stretch,
    Window,
    _Server,
    processor_seconds,
)
from vqx.training.step import to_float

AT_ONCE = Stretch(seconds=0.0, batches=3, workers=2, skipped=5, floats=False)
BATCH = 10


def numbered(log=None):
    """Batches of BATCH; what was asked for is written down."""
    yield None
    for number in count():
        if log is not None:
            log.write_text(str(number))
        yield range(BATCH)


def about_itself():
    """As many images as letters in the usual way to start processes, and 100 for a processor."""
    yield None
    while True:
        processors = max(len(os.sched_getaffinity(0)), torch.get_num_threads())
        yield range(100 * processors + len(multiprocessing.get_start_method()))


def failing(how, *, at):
    yield None
    for number in count():
        if number == at:
            how()
        yield range(BATCH)


def damaged():
    raise ValueError("the file is damaged\nand more")


def hanging(log=None):
    process = multiprocessing.Process(target=signal.pause, daemon=True)
    process.start()
    if log is not None:
        log.write_text(str(process.pid))
    signal.pause()


def test_what_lies_ready_is_not_counted_and_rounds_are_whole(tmp_path):
    process = ReaderProcess(numbered, tmp_path / "log")
    try:
        assert process.open(floats=False) > 0
        window = process.read(AT_ONCE)
        assert window.images == 4 * BATCH  # 3 batches are no whole rounds of 2 workers
        assert int((tmp_path / "log").read_text()) + 1 == 1 + 5 + 4
        assert window.seconds > 0
    finally:
        process.close()


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize(
    ("how", "told"),
    [
        (damaged, "ValueError: the file is damaged"),
        (partial(os._exit, 3), "its process ended with exit code 3"),
        (partial(signal.raise_signal, signal.SIGKILL), "its process ended with SIGKILL"),
        (hanging, "no answer within 0.5 s"),
    ],
)
def test_a_reader_that_fails_is_told_and_gone(how, told, at):
    process = ReaderProcess(partial(failing, how, at=at))
    limit = 0.5 if how is hanging else 60
    if at > 0:
        process.open(floats=False)
    with pytest.raises(ReaderFailed) as error:
        process.open(floats=False, limit=limit) if at == 0 else process.read(AT_ONCE, limit=limit)
    assert str(error.value) == told
    assert not process._process.is_alive()
    process.close()  # again, as the benchmark does at its end


def test_nothing_is_left_of_a_reader_that_hangs(tmp_path):
    log = tmp_path / "pid"
    process = ReaderProcess(partial(failing, partial(hanging, log), at=1))
    process.open(floats=False)
    with pytest.raises(ReaderFailed):
        process.read(AT_ONCE, limit=2)
    started = Path(f"/proc/{log.read_text()}/stat")
    with suppress(FileNotFoundError, ProcessLookupError):  # gone, or dead and not yet collected
        for _ in range(1000):
            if started.read_text().rpartition(")")[2].split()[0] == "Z":
                return
            time.sleep(0.01)
        os.kill(int(log.read_text()), signal.SIGKILL)
        pytest.fail("it lives")


def test_a_reader_starts_processes_as_a_user_does_on_the_cores_it_may_use():
    process = ReaderProcess(about_itself, cores=1)
    try:
        process.open(floats=False)
        usual = multiprocessing.get_start_method()
        assert process.read(AT_ONCE).images == 4 * (100 + len(usual))
    finally:
        process.close()


def burn(seconds, connection):
    while time.process_time() < seconds:
        pass
    connection.send(time.process_time())
    signal.pause()


def test_processor_time_is_that_of_all_processes():
    before = processor_seconds()
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=burn, args=(0.3, there), daemon=True)
    process.start()
    burnt = here.recv()
    assert processor_seconds() - before >= burnt - 0.05
    process.kill()
    process.join()
    assert processor_seconds() - before < burnt  # what has ended is not counted


def test_speed_is_images_by_the_wall_clock():
    assert Window(images=30, seconds=0.5, processor=0.9).speed == 60


def bytes_that_note_their_copying(log):
    """uint8 batches; each "." is one, each "f" one that was turned into floats."""

    class Noted(torch.Tensor):
        @classmethod
        def __torch_function__(cls, function, types, arguments=(), keywords=None):
            if function is torch.Tensor.copy_:
                log.write_text(log.read_text() + "f")
            return super().__torch_function__(function, types, arguments, keywords or {})

    yield None
    while True:
        log.write_text(log.read_text() + ".")
        yield torch.zeros(2, 3, 4, 4, dtype=torch.uint8).as_subclass(Noted)


def test_batches_are_converted_where_that_is_counted(tmp_path):
    log = tmp_path / "log"
    log.write_text("")
    process = ReaderProcess(bytes_that_note_their_copying, log)
    try:
        process.open(floats=True)
        process.read(AT_ONCE)
        process.read(replace(AT_ONCE, skipped=1, floats=True))
    finally:
        process.close()
    assert log.read_text() == ".f" + (5 + 4) * "." + "." + 4 * ".f"


def test_the_conversion_is_the_trainers():
    server, threads = _Server(numbered, ()), torch.get_num_threads()
    torch.set_num_threads(2)
    for count_of_images in (256, 7):  # the last batch of an epoch may be smaller
        batch = torch.arange(count_of_images).to(torch.uint8).view(-1, 1, 1, 1)
        assert torch.equal(server._convert(batch), to_float(batch))
    assert torch.get_num_threads() == 2
    torch.set_num_threads(threads)
