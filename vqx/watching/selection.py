"""What to watch, from the words of the command line."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vqx.errors import ConfigError
from vqx.guard import nearest
from vqx.reporting.columns import COLUMNS
from vqx.reporting.selection import items, select
from vqx.reporting.sweep import SweepWords, sweep_of
from vqx.runs.places import run_folders
from vqx.runs.reading import Run, Skipped, read_run
from vqx.watching.watcher import Place

_KEYS = ("watch", "runs", "metrics")
_METRICS = ("psnr", "usage")
_USUAL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Options:
    """What `python -m vqx.status` was asked for.

    `watch`: seconds between looks, None for a single one.
    """

    runs: tuple[str, ...] = ()  # () is RESULTS/runs
    filters: Mapping[str, str] = field(default_factory=dict)
    sweep: SweepWords | None = None
    watch: float | None = None
    metrics: tuple[str, ...] = _METRICS


def parse(words: Sequence[str]) -> Options:
    """Options from the command line. Raises ConfigError for a word that cannot be meant."""
    watch, words = _watch(words)
    metrics, words = _metrics(words)
    if sweep := sweep_of(words):
        if any(word.startswith("runs=") for word in words):
            raise ConfigError("runs= and a sweep exclude each other: a sweep names its own runs")
        return Options(sweep=sweep, watch=watch, metrics=metrics)
    runs: list[str] = []
    filters = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            runs.append(_path(word))
        elif key == "runs":
            runs.extend(items(value))
        else:
            filters[key] = value
    return Options(tuple(runs), filters, watch=watch, metrics=metrics)


def _watch(words: Sequence[str]) -> tuple[float | None, list[str]]:
    seconds, rest = None, []
    for word in words:
        key, _, value = word.partition("=")
        if key not in ("watch", "--watch"):
            rest.append(word)
            continue
        try:
            seconds = float(value) if value else _USUAL_SECONDS
        except ValueError:
            seconds = 0.0
        if not 0.1 <= seconds <= 86400:
            raise ConfigError(f"{word}: must be seconds between two looks, 0.1 or more")
    return seconds, rest


def _metrics(words: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    chosen = [word for word in words if word.startswith("metrics=[")]
    keys = items(chosen[-1].removeprefix("metrics=")) if chosen else _METRICS
    known = [column.key for column in COLUMNS if column.is_metric]
    for key in keys:
        if key not in known:
            raise ConfigError(f"no metric '{key}'{nearest(key, known)}; one of {', '.join(known)}")
    return keys, [word for word in words if word not in chosen]


def _path(word: str) -> str:
    if word.startswith("-"):
        raise ConfigError(f"unknown option '{word}': options are written KEY=VALUE, see --help")
    if not Path(word).exists():
        raise ConfigError(f"'{word}' is neither KEY=VALUE{nearest(word, _KEYS)} nor a run folder")
    return word


def places_of(options: Options, *, default: Path) -> Callable[[], Sequence[Place]]:
    """Where to look, asked again at each look: runs may appear. Raises VqxError for no sweep."""
    if options.sweep is not None:
        return _SweepPlaces(options.sweep)
    return lambda: _found_places(options, default)


def _found_places(options: Options, default: Path) -> list[Place]:
    paths = run_folders(options.runs or (str(default),))
    if options.filters:
        found = {path: read_run(path) for path in paths}
        runs = [run for run in found.values() if isinstance(run, Run)]
        kept = {run.folder.path for run in select(runs, options.filters, options=_KEYS)}
        paths = [path for path in paths if path in kept or isinstance(found[path], Skipped)]
    return [Place(path) for path in paths]


class _SweepPlaces:
    """Places of a sweep, and of a search anew whenever it has begun a trial."""

    def __init__(self, sweep: SweepWords) -> None:
        self._sweep = sweep
        self._growing = sweep.growing_file()
        self._size = self._size_now()
        self._places = _sweep_places(sweep)

    def __call__(self) -> Sequence[Place]:
        size = self._size_now()
        if size != self._size:
            self._size, self._places = size, _sweep_places(self._sweep)
        return self._places

    def _size_now(self) -> int:
        try:
            return self._growing.stat().st_size if self._growing else 0
        except FileNotFoundError:
            return 0


def _sweep_places(sweep: SweepWords) -> list[Place]:
    """Runs of a sweep in its order, each once."""
    return [
        Place(job.folder.path, job.config)
        if job.folder is not None
        else Place(None, overrides=job.overrides, refused=job.note)
        for job in sweep.jobs()
    ]
