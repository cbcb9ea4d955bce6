"""Ends a tiny run again and again at random moments, and prints what was done to it.

`python -m tests.killing PLACE SEED KILLS`: one run that nothing disturbs in PLACE/unbroken, and in
PLACE/0, PLACE/1, ... the same one, ended up to seven times before it may finish; in PLACE/frozen1,
2, ... one whose owners freeze, are taken over by another host, and thaw. Every start is a fork of
this process, which has imported everything: a start takes a fraction of a second.
"""

import json
import os
import random
import re
import signal
import sys
import time
import traceback
from collections import Counter
from contextlib import suppress
from pathlib import Path

import torch

import vqx.data
from tests.runs.starters import act_as_host
from tests.trained import configured
from vqx.errors import Interrupted
from vqx.training import rank
from vqx.training.experiment import build_experiment
from vqx.training.launch import run_training

# A checkpoint a step: often the end comes while one is written. EMA has the most state to lose.
RUN = (
    "quantizer=ema",
    "trainer.steps=10",
    "trainer.checkpoint_every=1",
    "trainer.evaluate_every=4",
    "trainer.log_every=1",
    "trainer.device=cpu",
)
ENDS_A_RUN = 7
STALE = 1.0
FREEZES = 5


def spare_what_is_not_ended() -> None:
    """Leave out what takes most of a tiny run's time and writes nothing that is compared."""
    rank.plot_use = rank.plot_curves = lambda *_, **__: None
    rank.write_provenance = lambda *_, **__: None
    read, known = vqx.data.photos, {}

    def photos(**options):
        key = repr(sorted(options.items()))
        return known[key] if key in known else known.setdefault(key, read(**options))

    vqx.data.photos = photos


def start(results: Path, *, host: str | None = None) -> int:
    """A process that goes on with the run in `results`; its output goes to results/log.txt.

    On a `host` it sees no locks of other hosts, and takes a silence of STALE seconds for death.
    """
    config, folder = configured(results, *RUN)
    results.mkdir(parents=True, exist_ok=True)
    if child := os.fork():
        return child
    code = 1
    try:
        log = os.open(results / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        if host is not None:
            act_as_host(host, stale=STALE)
        run_training(config, folder, overrides=RUN)
        code = 0
    except Interrupted as error:
        code = 128 + error.signal_number
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def wait_until(child: int, end: float) -> int | None:
    """The exit code of `child`, None if it lives at the time `end`; looks once at least."""
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= end:
            return None
        time.sleep(0.001)


def ended_at_random(results: Path, draw: random.Random, seconds: float, left: int) -> Counter[str]:
    """One run, ended at most `left` times; how often each way."""
    done: Counter[str] = Counter()
    while done.total() < min(left, ENDS_A_RUN):
        child = start(results)
        if wait_until(child, time.monotonic() + draw.uniform(0.05, 0.8) * seconds) is not None:
            return done  # finished, or failed: its folder tells
        number = draw.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGUSR2])
        os.kill(child, number)
        os.waitpid(child, 0)
        done[number.name] += 1
    wait_until(start(results), time.monotonic() + 60)
    return done


def frozen_after(step: int, child: int, results: Path, begin: int, delay: float) -> bool:
    """Freeze `child` `delay` s after its log, read from `begin`, tells of `step` or a later one.

    False if it was through before that, as it may be when a busy machine keeps us from looking.
    """
    end = time.monotonic() + 60
    while wait_until(child, 0) is None:
        told = (results / "log.txt").read_bytes()[begin:]
        if any(int(number) >= step for number in re.findall(rb"(?m)^step (\d+)/", told)):
            time.sleep(delay)
            os.kill(child, signal.SIGSTOP)
            return not list(results.glob("runs/*/result.json"))
        assert time.monotonic() < end, told.decode()
        time.sleep(0.001)
    return False


def frozen_at_random(results: Path, draw: random.Random, seconds: float) -> list[int] | None:
    """Exit codes of owners that froze, were taken over while they slept, and thawed meanwhile.

    The last host to take the run over finishes it. None if one was through before it froze.
    """
    results.mkdir(parents=True)
    (results / "log.txt").touch()
    children: list[int] = []
    try:
        for host, step in (("a", 1), ("b", 3), ("c", 5)):
            begin = (results / "log.txt").stat().st_size
            children.append(start(results, host=host))
            delay = draw.uniform(0, 0.05) * seconds
            if not frozen_after(step, children[-1], results, begin, delay):
                return None
            time.sleep(STALE + 0.2)
        children.append(start(results, host="d"))
        time.sleep(draw.uniform(0.2, 0.6) * seconds)
        for sleeper in children[:-1]:
            os.kill(sleeper, signal.SIGCONT)
        ended = [wait_until(child, time.monotonic() + 60) for child in children]
    finally:  # a frozen one would sleep for ever
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
    return [-1 if code is None else code for code in ended]


def main() -> None:
    """See the module."""
    place, seed, kills = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    draw = random.Random(seed)
    spare_what_is_not_ended()
    config, _ = configured(place, *RUN)
    build_experiment(config, device=torch.device("cpu"))  # the data are then there in every fork
    for name in ("first", "unbroken"):  # the first one is slow
        child, began = start(place / name), time.monotonic()
        wait_until(child, began + 60)
        seconds = time.monotonic() - began
    done: Counter[str] = Counter()
    rounds = 0
    while done["SIGKILL"] < kills:
        done += ended_at_random(place / str(rounds), draw, seconds, kills)
        rounds += 1
    frozen, tries = None, 0
    while frozen is None and tries < FREEZES:
        tries += 1
        frozen = frozen_at_random(place / f"frozen{tries}", draw, seconds)
    summary = {"frozen": frozen, "tries": tries, "ends": done, "rounds": rounds}
    print(json.dumps(summary | {"seconds": seconds}))


if __name__ == "__main__":
    main()
