"""Showing a table again and again: in place on a terminal, as blocks elsewhere."""

import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from vqx.runs.status import now_iso

# The alternate screen keeps what the terminal showed before; the cursor would only jump about.
_ENTER, _LEAVE = "\033[?1049h\033[?25l", "\033[?25h\033[?1049l"
_HOME, _END_OF_LINE, _BELOW = "\033[H", "\033[K", "\033[J"
_SLICE_SECONDS = 0.2  # how soon a resized terminal is filled again

Draw = Callable[[int, int], list[str]]  # width, height -> lines that fit


def watch_terminal(look: Callable[[], Draw], *, seconds: float, out: TextIO) -> None:
    """Redraw in place every `seconds`, and at once when the terminal's size changes.

    Returns at Ctrl-C; `look` reads, what it returns draws.
    """
    with _alternate_screen(out):
        while True:
            draw = look()
            until = time.monotonic() + seconds
            size = None
            while size is None or time.monotonic() < until:
                if size != (now := shutil.get_terminal_size((140, 24))):
                    size = now
                    out.write(frame(draw(size.columns, size.lines)))
                    out.flush()
                time.sleep(min(_SLICE_SECONDS, seconds))


def frame(lines: list[str]) -> str:
    """One redraw in a single write: each line over the old one, and what is left below erased.

    Nothing is cleared before it is written, so nothing flickers.
    """
    return _HOME + "\n".join(f"{line}{_END_OF_LINE}" for line in lines) + _BELOW


@contextmanager
def _alternate_screen(out: TextIO) -> Iterator[None]:
    """The terminal as it was, however the block ends: SIGTERM and SIGHUP too."""

    def end(number: int, _: object) -> None:
        sys.exit(128 + number)

    before = {n: signal.signal(n, end) for n in (signal.SIGTERM, signal.SIGHUP)}
    out.write(_ENTER)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        out.write(_LEAVE)
        out.flush()
        for number, handler in before.items():
            signal.signal(number, handler)


def watch_plainly(look: Callable[[], list[str]], *, seconds: float, out: TextIO) -> None:
    """Print a block with the time whenever the table has changed; returns at Ctrl-C."""
    shown: list[str] | None = None
    try:
        while True:
            lines = look()
            if lines != shown:
                out.write("\n".join([f"== {now_iso()}", *lines, "", ""]))
                out.flush()
                shown = lines
            time.sleep(seconds)
    except KeyboardInterrupt:
        pass
