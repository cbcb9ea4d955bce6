"""The ablation table of all runs: `python -m vqx.report [key=value ...]`."""

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from vqx.cli import shown
from vqx.errors import ConfigError, VqxError
from vqx.guard import nearest
from vqx.reporting.beside import name_by_published
from vqx.reporting.csv import render_rows, render_runs
from vqx.reporting.frame import build_frame
from vqx.reporting.markdown import render_markdown
from vqx.reporting.notes import Note
from vqx.reporting.published import read_tables
from vqx.reporting.selection import items, select
from vqx.reporting.sweep import SweepWords, sweep_of, sweep_runs
from vqx.reporting.table import build_table
from vqx.reporting.terminal import render_terminal
from vqx.runs.files import write_text_atomic
from vqx.runs.reading import Run, Skipped, read_runs

HELP = """\
The table of all runs: rows are what differs, seeds folded to mean ± standard deviation.

  python -m vqx.report                                   all of results/runs
  python -m vqx.report quantizer=fsq seed=0              runs whose configuration says so
  python -m vqx.report sort=psnr columns=[usage,psnr]    best first, two columns
  python -m vqx.report results/runs/ema-* name=ema       some folders, to tables/ema.md and .csv
  python -m vqx.report 'row=swasun/*' published=swasun   ours above what the source printed
  python -m vqx.report +sweeps=swasun scale=cpu seed=0,1 the sweep's rows, missing ones included
  python -m vqx.report -m quantizer=fsq,vq               the same for a sweep that is typed

Options (KEY=VALUE; any other key selects runs by their configuration, or overrides the sweep's)
  runs=results/runs     folders of runs, run folders, or patterns; several as [a,b]
  out=results/tables    where NAME.md, NAME.csv (a line a row) and NAME-runs.csv (a line a run) go
  name=ablation         NAME; default for a sweep: its name
  columns=[...]         columns to show, e.g. [usage,psnr,lpips,bits]; the CSV files have all
  sort=COLUMN           best first; default: by name
  seeds=folded          or separate: a row a run
  published=TABLE,...   or all: what others printed (results/published/TABLE.csv), in grey under
                        our runs of these rows, and how far the two can be compared
  --config-dir DIR      where sweeps of your own are

`python -m vqx.status --watch` shows runs while they train.
"""


@dataclass(frozen=True, slots=True)
class Options:
    """What `python -m vqx.report` was asked for."""

    runs: tuple[str, ...] = ()  # () is RESULTS/runs
    out: Path = field(default_factory=lambda: results() / "tables")
    name: str = "ablation"
    columns: tuple[str, ...] = ()
    sort: str | None = None
    seeds: str = "folded"
    published: tuple[str, ...] = ()
    filters: dict[str, str] = field(default_factory=dict)
    sweep: SweepWords | None = None


_KEYS = frozenset(f.name for f in fields(Options)) - {"filters", "sweep"}


def results() -> Path:
    """Where runs and tables are by default, as conf/config.yaml has it."""
    return Path(os.environ.get("VQX_RESULTS", "results"))


def parse(arguments: Sequence[str]) -> Options:
    """Options from `key=value` words and paths. Raises ConfigError for a value that cannot be."""
    options, rest = _own_options(arguments)
    if sweep := sweep_of(rest):
        if options.runs:
            raise ConfigError("runs= and a sweep exclude each other: a sweep names its own runs")
        named = any(word.startswith("name=") for word in arguments)
        return replace(options, sweep=sweep, name=options.name if named else sweep.name)
    for word in rest:
        key, equals, value = word.partition("=")
        if equals:
            options = replace(options, filters={**options.filters, key: value})
        else:
            options = replace(options, runs=(*options.runs, _path(word)))
    return options


def _own_options(words: Sequence[str]) -> tuple[Options, list[str]]:
    """What the report's own keys say, and the words that are none of them."""
    options, rest = Options(), []
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key not in _KEYS:
            rest.append(word)
        elif key == "runs":
            options = replace(options, runs=(*options.runs, *items(value)))
        elif key == "published":
            options = replace(options, published=(*options.published, *(items(value) or ("",))))
        elif key == "columns":
            options = replace(options, columns=items(value))
        elif key == "out":
            options = replace(options, out=Path(value).expanduser())
        elif key == "name":
            options = replace(options, name=value)
        elif key == "sort":
            options = replace(options, sort=value)
        else:
            options = replace(options, seeds=value)
    if options.seeds not in ("folded", "separate"):
        raise ConfigError(f"seeds={options.seeds}: must be folded or separate")
    if not options.name or Path(options.name).name != options.name:
        raise ConfigError(f"name={options.name}: must be a plain file name; the folder is out=...")
    return options, rest


def _path(word: str) -> str:
    if word.startswith("-"):
        raise ConfigError(f"unknown option '{word}': options are written KEY=VALUE, see --help")
    if not Path(word).exists():
        raise ConfigError(f"'{word}' is neither KEY=VALUE{nearest(word, _KEYS)} nor a run folder")
    return word


def read(options: Options) -> tuple[list[Run], list[Skipped]]:
    """The runs asked for. Raises VqxError when there are none, saying where it looked."""
    places = options.runs or (str(results() / "runs"),)
    found, skipped = read_runs(places)
    where = ", ".join(places)
    if not found:
        seen = f" ({len(skipped)} other folders)" if skipped else ""
        raise VqxError(f"no runs in {where}{seen}: make one with `python -m vqx.train`")
    runs = select(found, options.filters, options=_KEYS)
    if not runs:
        asked = " ".join(f"{key}={value}" for key, value in options.filters.items())
        raise VqxError(f"none of the {len(found)} runs in {where} has {asked}")
    return runs, skipped


def report(options: Options, *, show: Callable[[str], object], width: int, bold: bool) -> None:
    """Write the tables and show them."""
    published = read_tables(options.published)
    notes: list[Note] = []
    skipped: list[Skipped] = []
    if options.sweep is not None:
        runs, notes = sweep_runs(options.sweep)
    else:
        runs, skipped = read(options)
    separate = options.seeds == "separate"
    in_order = options.sweep is not None
    frame, beside = build_frame(runs, separate_seeds=separate, in_order=in_order), None
    if published:
        frame, beside = name_by_published(frame, published, separate_seeds=separate)
    table = build_table(
        frame, columns=options.columns, sort=options.sort, beside=beside, notes=notes
    )
    # First: `| head` must not lose them.
    paths = _write(render_markdown(table), render_rows(frame, beside), render_runs(frame), options)
    show(render_terminal(table, width=width, bold=bold))
    for folder in skipped[:5]:
        show(f"skipped {folder.path}: {folder.reason}")
    if len(skipped) > 5:
        show(f"skipped {len(skipped) - 5} more folders that are no runs of their own")
    show("\n".join(f"wrote {path}" for path in paths))


def _write(markdown: str, rows: str, runs: str, options: Options) -> list[Path]:
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VqxError(f"cannot write in {options.out} ({error.strerror}): give out=...") from error
    texts = {
        f"{options.name}.md": markdown,
        f"{options.name}.csv": rows,
        f"{options.name}-runs.csv": runs,
    }
    for name, text in texts.items():
        write_text_atomic(options.out / name, text)
    return [options.out / name for name in texts]


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    return shown("vqx.report", _report, arguments, help_text=HELP)


def _report(words: Sequence[str]) -> None:
    bold = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    width = shutil.get_terminal_size((140, 24)).columns
    report(parse(words), show=print, width=width, bold=bold)


if __name__ == "__main__":
    sys.exit(main())
