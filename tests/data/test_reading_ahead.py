"""Threads that read ahead: order, bounds, errors in their turn, none left behind."""

import subprocess
import sys
import threading
from contextlib import closing
from itertools import count, islice

import pytest

from vqx.data.reading_ahead import read_ahead


def square(n):
    return n * n, threading.get_ident()


@pytest.mark.parametrize("threads", [0, 1, 4])
def test_answers_come_in_order(threads):
    before = threading.active_count()
    answers = list(read_ahead(square, range(50), threads=threads))
    assert [answer for answer, _ in answers] == [n * n for n in range(50)]
    ours = {ident for _, ident in answers} == {threading.get_ident()}
    assert ours == (threads == 0)
    assert threading.active_count() == before


def test_no_more_is_drawn_than_asked_for():
    drawn = []

    def requests():
        for n in count():
            drawn.append(n)
            yield n

    with closing(read_ahead(square, requests(), threads=3, ahead=2)) as answers:
        assert not drawn
        list(islice(answers, 5))
        assert len(drawn) == 5 + 3 * 2
    assert len(drawn) == 11


def test_threads_work_side_by_side():
    meeting = threading.Barrier(3, timeout=30)  # nobody passes unless three are there
    answers = list(read_ahead(lambda n: (meeting.wait(), n)[1], range(6), threads=3))
    assert answers == list(range(6))


@pytest.mark.parametrize("threads", [0, 2])
def test_an_error_comes_in_its_turn_and_ends_the_threads(threads):
    before = threading.active_count()

    def fail_at_five(n):
        if n == 5:
            raise ValueError("five")
        return n

    answers = read_ahead(fail_at_five, range(20), threads=threads)
    assert list(islice(answers, 5)) == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="five"):
        next(answers)
    assert threading.active_count() == before


def test_closing_early_waits_for_what_is_in_the_works_and_drops_the_rest():
    begun, go_on, read = threading.Event(), threading.Event(), []

    def slowly(n):
        if n == 1:
            begun.set()
            assert go_on.wait(30)
        read.append(n)

    answers = read_ahead(slowly, range(100), threads=1, ahead=4)
    next(answers)
    assert begun.wait(30)
    threading.Timer(0.05, go_on.set).start()
    answers.close()
    assert read == [0, 1]
    assert not [t for t in threading.enumerate() if t.name.startswith("vqx-read")]


FORGOTTEN = """
import os, sys, threading
from itertools import count
from vqx.data.reading_ahead import read_ahead

answers = read_ahead(lambda n: n, count(), threads=2)
next(answers)
if sys.argv[1] == "fork":
    if (child := os.fork()) == 0:
        answers.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert next(answers) == 1
print("end", flush=True)
if sys.argv[1] == "raise":
    raise KeyboardInterrupt
"""


@pytest.mark.parametrize("end", ["exit", "raise", "fork"])
def test_forgotten_threads_do_not_keep_the_process(end):
    command = [sys.executable, "-c", FORGOTTEN, end]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout == "end\n", done.stderr
    assert (done.returncode == 0) == (end != "raise")
