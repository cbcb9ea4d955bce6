"""What runs are doing now: `python -m vqx.status [SELECTION] [--watch]`."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from vqx.cli import shown
from vqx.errors import VqxError
from vqx.runs.places import run_folders
from vqx.watching.picture import Picture
from vqx.watching.screen import Draw, watch_plainly, watch_terminal
from vqx.watching.selection import Options, parse, places_of
from vqx.watching.watcher import Watcher

HELP = """\
What runs are doing: state, step, time left, pace, last numbers, job and node, and why not.

  python -m vqx.status                            all of results/runs, running ones first
  python -m vqx.status --watch                    again every 5 seconds, until Ctrl-C
  python -m vqx.status +sweeps=NAME seed=0,1      the runs of a sweep, missing ones included
  python -m vqx.status -m quantizer=fsq,vq        the same for a sweep that is typed
  python -m vqx.status quantizer=fsq seed=0       runs whose configuration says so
  python -m vqx.status results/runs/ema-*         some folders

Options (KEY=VALUE; any other key selects runs, or with a sweep is one of its overrides)
  watch=SECONDS         look again every so often; on a terminal in place, else a block a change
  runs=results/runs     folders of runs, run folders, or patterns; several as [a,b]
  metrics=[psnr,usage]  what to show of the last evaluation
  --config-dir DIR      where sweeps of your own are

All is read from the run folders. Where squeue answers, what Slurm says stands beside it: why a job
waits, where it runs, that it is gone. `?` is a time that cannot be told yet. NO_COLOR: no colours.
"""


def status(options: Options) -> None:
    """Show the table, once or until Ctrl-C. Raises VqxError when there is nothing to show."""
    default = Path(os.environ.get("VQX_RESULTS", "results")) / "runs"
    watcher = Watcher(places_of(options, default=default))
    title = f"sweep {options.sweep.name}" if options.sweep else ""
    in_order = options.sweep is not None
    picture = Picture(watcher, options.metrics, in_order=in_order, title=title)
    terminal = sys.stdout.isatty()
    coloured = terminal and not os.environ.get("NO_COLOR")
    if options.watch is not None and terminal:
        watch_terminal(lambda: _drawing(picture, coloured), seconds=options.watch, out=sys.stdout)
    if options.watch is not None and not terminal:
        watch_plainly(lambda: _lines(picture, None), seconds=options.watch, out=sys.stdout)
        return
    entries = picture.look()
    if not entries:
        where = ", ".join(options.runs) or str(default)
        if options.filters and any(run_folders(options.runs or [str(default)])):
            asked = " ".join(f"{key}={value}" for key, value in options.filters.items())
            raise VqxError(f"none of the runs in {where} has {asked}")
        raise VqxError(f"no runs in {where}: make one with `python -m vqx.train`")
    width = shutil.get_terminal_size((140, 24)).columns if terminal else None
    print("\n".join(picture.draw(entries, width=width, height=None, coloured=bool(coloured))))


def _drawing(picture: Picture, coloured: bool | str) -> Draw:
    entries = picture.look()
    return lambda width, height: picture.draw(
        entries, width=width, height=height, coloured=bool(coloured)
    )


def _lines(picture: Picture, width: int | None) -> list[str]:
    return picture.draw(picture.look(), width=width, height=None, coloured=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    return shown("vqx.status", lambda words: status(parse(words)), arguments, help_text=HELP)


if __name__ == "__main__":
    sys.exit(main())
