"""The runs of a sweep as a table wants them: exactly those, in its order, missing ones included."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vqx.errors import ConfigError, VqxError
from vqx.reporting.frame import state_word
from vqx.reporting.notes import Note
from vqx.runs.folder import RunFolder
from vqx.runs.reading import Run, Skipped, read_run
from vqx.runs.status import State
from vqx.sweeps.planned import PlannedJob


@dataclass(frozen=True, slots=True)
class SweepWords:
    """The words that name a sweep, as `python -m vqx.train -m` takes them."""

    words: tuple[str, ...]
    config_dir: Path | None = None

    @property
    def name(self) -> str:
        """What the sweep is called, fit for a file."""
        from vqx.sweeps.naming import sweep_name

        return sweep_name(self.words).replace("/", "-")

    def jobs(self) -> list[PlannedJob]:
        """Its jobs, each run once, in order; of a search those that it has begun.

        Raises ConfigError for words that cannot be meant, VqxError for a search without any.
        """
        from vqx.sweeps.view import sweep_jobs

        jobs: dict[object, PlannedJob] = {}
        for job in sweep_jobs(self.words, config_dir=self.config_dir):
            jobs.setdefault(job.folder.path if job.folder else job.overrides, job)
        return list(jobs.values())

    def growing_file(self) -> Path | None:
        """The file that grows with the sweep's jobs, of a search; else None."""
        from vqx.sweeps.view import growing_file

        return growing_file(self.words, config_dir=self.config_dir)


def sweep_of(words: Sequence[str]) -> SweepWords | None:
    """The sweep that command line words name; None when they name none.

    A sweep is named by +sweeps=NAME or -m. Raises ConfigError for --config-dir without a folder.
    """
    kept, config_dir = config_dir_of(words)
    for word in kept:
        if word.startswith(("sweeps=", "++sweeps=")):
            raise ConfigError(f"'{word}': a sweep is named as +{word.lstrip('+')}")
    if not any(w in ("-m", "--multirun") or w.startswith("+sweeps=") for w in kept):
        return None
    return SweepWords(tuple(w for w in kept if w not in ("-m", "--multirun")), config_dir)


def config_dir_of(words: Sequence[str]) -> tuple[list[str], Path | None]:
    """Words without `--config-dir DIR`, and that folder."""
    kept, folder = [], None
    rest = iter(words)
    for word in rest:
        option, equals, value = word.partition("=")
        if option not in ("--config-dir", "-cd"):
            kept.append(word)
        elif not (named := value if equals else next(rest, "")):
            raise ConfigError("--config-dir: name the folder that has sweeps/ in it")
        else:
            folder = Path(named).expanduser()
    return kept, folder


def sweep_runs(sweep: SweepWords) -> tuple[list[Run], list[Note]]:
    """The sweep's runs in its order, missing ones without a status, and what to say about all.

    Raises VqxError when none of its jobs can be run.
    """
    jobs = sweep.jobs()
    runs = [_run(job) for job in jobs if job.folder is not None]
    refused = [job for job in jobs if job.folder is None]
    if not runs:
        why = f": {refused[0].note}" if refused else ""
        raise VqxError(f"the sweep {sweep.name} has no runs{why}")
    return runs, [_counts(sweep, runs), *(_refusal(job) for job in refused)]


def _run(job: PlannedJob) -> Run:
    assert job.folder is not None
    assert job.config is not None
    path = job.folder.path
    found = read_run(path) if path.is_dir() else Skipped(path, "not started")
    if isinstance(found, Run):
        return found
    damaged = RunFolder(path).config.exists()
    slug, _, signature = path.name.rpartition("-")
    return Run(
        folder=job.folder,
        slug=slug,
        signature=signature,
        config=dict(job.config),
        status=None,
        result=None,
        environment={},
        state=State.FAILED if damaged else State.QUEUED,
        note=found.reason if damaged else "not started",
    )


def _counts(sweep: SweepWords, runs: Sequence[Run]) -> Note:
    counts = Counter(state_word(run) for run in runs)
    said = ", ".join(f"{count} {state}" for state, count in counts.items())
    return Note(f"sweep {sweep.name}", f"{len(runs)} runs: {said}")


def _refusal(job: PlannedJob) -> Note:
    return Note("refused", f"{' '.join(job.overrides)}: {job.note}")
