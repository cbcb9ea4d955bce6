"""Answers in order, no worker left behind, and an error, never a hang, where one dies."""

import faulthandler
import multiprocessing
import os
import signal
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests import commands
from tests.data.prepared.preparing import RECIPE, contents, prepare, write_source
from vqx.data.prepared.worker_pool import WorkerLost, in_order
from vqx.data.recipe import Recipe
from vqx.errors import DataError

HERE = os.getpid()


def squared(index: int) -> int:
    return index * index


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("indices", [range(0), range(1), range(5, 60)])
def test_answers_come_in_order(indices, workers, started):
    assert list(in_order(squared, indices, workers=workers)) == [i * i for i in indices]
    assert started() == []


def pid_of(index: int) -> int:
    return os.getpid()


def test_neighbours_go_to_one_process():
    made_by = list(in_order(pid_of, range(0, 70), workers=3, chunk=7))
    assert all(len(set(made_by[i : i + 7])) == 1 for i in range(0, 70, 7))


def test_slow_answers_are_not_overtaken_far():
    begun = multiprocessing.get_context("fork").Value("i", 0)

    def work(index: int) -> int:
        begun.value = max(begun.value, index)
        seen = -1
        while index == 0 and seen != begun.value:  # until the other worker gets nothing more
            seen = begun.value
            time.sleep(0.2)
        return index

    with closing(in_order(work, range(1000), workers=2)) as answers:
        assert next(answers) == 0
        assert begun.value < 40


def test_leaving_early_ends_the_workers(started):
    answers = in_order(squared, range(1000), workers=2)
    assert next(answers) == 0
    assert len(started()) == 2
    answers.close()
    assert started() == []


def killed_at_ten(index: int) -> int:
    if index == 10:
        os.kill(os.getpid(), signal.SIGKILL)
    return index


def exits_at_ten(index: int) -> int:
    if index == 10:
        os._exit(7)
    return index


def starved_at_ten(index: int) -> int:
    if index == 10:
        raise MemoryError
    return index


@pytest.mark.parametrize(
    ("work", "why"),
    [
        (killed_at_ten, "ended by SIGKILL"),
        (exits_at_ten, "ended by exit code 7"),
        (starved_at_ten, "out of memory"),
    ],
)
@pytest.mark.parametrize("workers", [1, 3])
def test_a_lost_worker_is_an_error(work, why, workers, started):
    answers = in_order(work, range(40), workers=workers)
    with pytest.raises(WorkerLost) as lost:
        list(answers)
    assert lost.value.indices[0] == 10
    assert lost.value.why == why
    assert started() == []


def test_what_is_raised_in_a_worker_is_told_with_its_place():
    def failing(index: int) -> int:
        return 1 // (index - 6)

    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        list(in_order(failing, range(20), workers=2))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_dead_worker_ends_the_preparation_and_it_can_be_gone_on_with(tmp_path, number):
    source = write_source(tmp_path / "source")
    deadly = (source / "train/05.png").read_bytes()

    class Deadly(Recipe):
        def pixels(self, file):
            content = file.read()
            file.seek(0)
            if os.getpid() != HERE and content == deadly:
                faulthandler.disable()  # pytest's would print a page
                os.kill(os.getpid(), number)
            return super().pixels(file)

    recipe = Deadly(RECIPE.channels, RECIPE.load_size)
    with pytest.raises(DataError, match=rf"{number.name} at train images 5\.\..*05\.png"):
        prepare(source, tmp_path / "out", recipe=recipe, workers=2)
    prepare(source, tmp_path / "out", workers=2)
    prepare(source, tmp_path / "whole")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def children_of(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def wait_for(condition, what: str):
    end = time.monotonic() + 60
    while not (answer := condition()):
        assert time.monotonic() < end, what
        time.sleep(0.01)
    return answer


def gone(pid: int) -> bool:
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.slow  # starts the command: torch is imported
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux ends the workers")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_no_worker_outlives_the_command(tmp_path, number):
    source = write_source(tmp_path / "source")
    os.mkfifo(source / "train/05a.png")  # a worker that opens it waits for ever
    out = tmp_path / "out"
    words = [f"source={source}", f"out={out}", "max_resolution=8", "broken=skip", "workers=2"]
    command = commands.start("vqx.prepare", *words, cwd=tmp_path)
    workers = wait_for(lambda: children_of(command.pid)[1:] and children_of(command.pid), "workers")
    wait_for(lambda: (out / "preparation.journal").exists(), "journal")
    if number == signal.SIGINT:
        os.killpg(command.pid, number)
    else:
        os.kill(command.pid, number)
    said, _ = command.communicate(timeout=60)
    wait_for(lambda: all(map(gone, workers)), "the workers live on")
    assert command.returncode == (130 if number == signal.SIGINT else -number)
    if number == signal.SIGINT:
        assert said.strip() == "vqx.prepare: interrupted; the same command goes on from here"
    (source / "train/05a.png").unlink()
    prepare(source, out)
    prepare(source, tmp_path / "whole")
    assert contents(out) == contents(tmp_path / "whole")
