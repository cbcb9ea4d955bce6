"""Processes that act as starters of a run on hosts of their own: their locks do not meet.

`python -m tests.runs.starters FOLDER COUNT STAY`: that many try to take the run at the same moment;
with STAY=1 a winner keeps it until the others are gone. Prints a line each: won or lost, and why.
"""

import fcntl
import os
import socket
import sys
import time
from pathlib import Path

from vqx.errors import RunLocked
from vqx.runs import lock, ownership


def act_as_host(name: str, *, stale: float) -> None:
    """From now on this process is on host `name`, whose locks no other host sees."""
    fcntl.flock = lambda *_: None
    socket.gethostname = lambda: name
    ownership.STALE_SECONDS = stale
    lock._TOUCH_SECONDS = stale / 12


def _take(folder: Path, until: int | None) -> str:
    try:
        with lock.RunLock(folder):
            if until is not None:
                os.read(until, 1)
        return "won"
    except RunLocked as error:
        return f"lost: {error}"


def main() -> None:
    """Fork the starters and let them loose together."""
    folder, count, stay = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "1"
    (gate, start), (until, leave) = os.pipe(), os.pipe()
    children = set()
    for index in range(count):
        if (child := os.fork()) == 0:
            os.close(start)
            os.close(leave)
            act_as_host(f"host-{index}", stale=120)
            os.read(gate, 1)  # the end of the pipe, for all at once
            os.write(1, f"{_take(folder, until if stay else None)}\n".encode())
            os._exit(0)
        children.add(child)
    os.close(start)
    end = time.monotonic() + 10  # in vain if several have won
    while len(children) > stay and time.monotonic() < end:
        children.discard(os.waitpid(-1, os.WNOHANG)[0])
        time.sleep(0.002)
    os.close(leave)
    while children:
        children.discard(os.wait()[0])


if __name__ == "__main__":
    main()
