"""How far a benchmark is, while its table is not there yet."""

import shutil
import sys


def show_progress(text: str) -> None:
    """One line on stderr, overwritten on a terminal; "" clears it."""
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns - 1
        print(f"\r{text[:width]:<{width}}\r", end="", file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr, flush=True)
