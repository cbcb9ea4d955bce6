"""Searches by hydra-optuna-sweeper that survive: the study's folder is the search.

results/studies/NAME-SIGNATURE/ holds study.db, trials.jsonl (a line a trial: its run) and, at the
end, optimization_results.yaml.
"""

import fcntl
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from vqx.errors import ConfigError, VqxError
from vqx.runs.files import append_line
from vqx.sweeps.locking import make_folder
from vqx.sweeps.trials import plan_lines, study_folder, trial_jobs, trials_file

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig
    from optuna.samplers import BaseSampler
    from optuna.study import Study

_HOPELESS = 5  # failed trials, and none with a value, after which a search stops
_BUSY_SECONDS = 60  # to wait for another process that reads the study


def search(
    options: Mapping[str, Any],
    arguments: list[str],
    *,
    config: "DictConfig",
    hydra_context: "HydraContext",
    task_function: "TaskFunction",
) -> None:
    """Run trials until the study has `n_trials` that ended; or show them, or cancel their jobs.

    Trials that a killed search left behind are tried again. Raises VqxError when optuna is not
    installed, another process works on the study, or no trial gets a value.
    """
    options = _checked(options)
    folder = study_folder(config)
    if _only_looks(folder, options, config, hydra_context):
        return
    _check_installed()
    os.environ.setdefault("VQX_SWEEP", folder.name)
    make_folder(folder)
    with _held(folder):
        study = _study(folder, options)
        lost = retry_lost(study)
        finished = _finished(study)
        print(_progress(study, folder, total=int(options["n_trials"]), lost=lost), flush=True)
        sweeper = _stock_sweeper(
            {**options, "study_name": study.study_name, "storage": study._storage},
            left=max(0, int(options["n_trials"]) - finished),
        )
        sweeper.setup(hydra_context=hydra_context, task_function=task_function, config=config)
        sweeper.launcher = _Launcher(sweeper.launcher, study, folder, config, hydra_context)
        sweeper.config = _saving_to(folder, config)
        _sweep(sweeper, arguments, study, folder)
    print(_best(study, folder, str(config.get("objective"))), flush=True)


def _checked(options: Mapping[str, Any]) -> dict[str, Any]:
    """The sweeper's options. Raises ConfigError for one that cannot be."""
    for name in ("n_trials", "n_jobs"):
        if type(options[name]) is not int or options[name] < 1:
            raise ConfigError(
                f"hydra.sweeper.{name} must be a positive whole number; got {options[name]!r}"
            )
    if options["direction"] not in ("maximize", "minimize"):
        raise ConfigError(
            f"hydra.sweeper.direction must be maximize or minimize; got {options['direction']!r}"
        )
    return dict(options)


def _only_looks(
    folder: Path,
    options: Mapping[str, Any],
    config: "DictConfig",
    hydra_context: "HydraContext",
) -> bool:
    """Whether the command was to show the search (plan=true) or to cancel its jobs; then it has."""
    from vqx.sweeps.cancelling import cancel
    from vqx.sweeps.planning import decide
    from vqx.sweeps.sweeping import options_of

    asked = options_of(config)
    if not (asked.plan or asked.cancel):
        return False
    jobs = decide(trial_jobs(config, cast(Any, hydra_context.config_loader)), asked)
    if asked.plan:
        print("\n".join(plan_lines(folder, jobs, options)))
    elif jobs:
        with _held(folder):  # a living search would start the next trial
            cancel(jobs)
    else:
        print(f"search {folder}: no trial has begun")
    return True


def _check_installed() -> None:
    # Before the import: its storage tells of its set-up, the sweeper what `search` says better.
    for name in ("alembic", "hydra_plugins.hydra_optuna_sweeper"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        import hydra_plugins.hydra_optuna_sweeper  # noqa: F401
    except ImportError as error:
        raise VqxError("hydra/sweeper=search needs `pip install vqx[optuna]`") from error


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """One search a study: what it finds running is then nobody's any more."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise VqxError(f"another process searches in {folder}: wait for it or stop it") from error
    finally:
        os.close(descriptor)


def _study(folder: Path, options: Mapping[str, Any]) -> "Study":
    import optuna
    from sqlalchemy.exc import SQLAlchemyError  # type: ignore[import-untyped]

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = options.get("storage") or f"sqlite:///{folder / 'study.db'}"
    connect = {"timeout": _BUSY_SECONDS} if str(url).startswith("sqlite") else {}
    try:
        storage = optuna.storages.RDBStorage(str(url), engine_kwargs={"connect_args": connect})
    except (ImportError, SQLAlchemyError) as error:
        said = " ".join(str(error).split())
        raise VqxError(f"the study's storage {url} cannot be opened: {said}") from error
    return optuna.create_study(
        study_name=folder.name,
        storage=storage,
        direction=str(options["direction"]),
        load_if_exists=True,
    )


def retry_lost(study: "Study") -> int:
    """Queue again what a killed search left running, and let it be told as lost; how many.

    Safe to be killed in: a trial is queued at most once more.
    """
    from optuna.trial import TrialState

    from vqx.sweeps.sampling import LOST

    trials = study.get_trials(deepcopy=False)
    running = [trial for trial in trials if trial.state == TrialState.RUNNING]
    waiting = [t.system_attrs.get("fixed_params") for t in trials if t.state == TrialState.WAITING]
    for trial in running:
        study._storage.set_trial_user_attr(trial._trial_id, LOST, True)
        if trial.params and trial.params not in waiting:
            study.enqueue_trial(trial.params)
        study._storage.set_trial_state(trial._trial_id, TrialState.FAIL)
    return len(running)


def _finished(study: "Study") -> int:
    """Trials that ended, with a value or without; not those that were lost."""
    from vqx.sweeps.sampling import LOST

    trials = study.get_trials(deepcopy=False)
    return sum(trial.state.is_finished() and LOST not in trial.user_attrs for trial in trials)


def _progress(study: "Study", folder: Path, *, total: int, lost: int) -> str:
    again = f", {lost} interrupted and tried again" if lost else ""
    return f"search {folder}: {_finished(study)} of {total} trials done{again}"


def _stock_sweeper(options: Mapping[str, Any], *, left: int) -> Any:
    from hydra_plugins.hydra_optuna_sweeper._impl import OptunaSweeperImpl

    taken = {key: value for key, value in options.items() if key != "sampler"}
    return OptunaSweeperImpl(
        **{"search_space": None, **taken, "n_trials": left, "sampler": _sampler(options["sampler"])}
    )


def _sampler(config: "DictConfig") -> "BaseSampler | Any":
    """The sampler of the configuration, seeded by trial where it takes a seed."""
    from hydra.utils import instantiate

    from vqx.sweeps.sampling import PlacedSampler

    seed = config.get("seed")
    if seed is None:
        return instantiate(config)
    return PlacedSampler(lambda own: instantiate(config, seed=own), seed=int(seed))


def _saving_to(folder: Path, config: "DictConfig") -> "DictConfig":
    """A configuration whose sweep folder is the study's: the stock sweeper writes there."""
    from omegaconf import open_dict

    copy = config.copy()
    with open_dict(copy):
        copy.hydra.sweep.dir = str(folder)
    return copy


def _sweep(sweeper: Any, arguments: list[str], study: "Study", folder: Path) -> None:
    try:
        sweeper.sweep(arguments)
    except ValueError as error:
        if _values(study):
            raise
        raise VqxError(f"no trial of {folder} has a value: {_finished(study)} failed") from error


def _values(study: "Study") -> int:
    from optuna.trial import TrialState

    return len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))


def _best(study: "Study", folder: Path, objective: str) -> str:
    best, done = study.best_trial, _values(study)
    failed = _finished(study) - done
    said = " ".join(f"{key}={value}" for key, value in best.params.items())
    counts = f"{done + failed} trials{f', {failed} failed' if failed else ''}"
    return f"search {folder}: {counts}; best {objective} {best.value:.6g} with {said}"


class _Launcher:
    """The launcher of a search: notes which runs its trials are, and stops a hopeless one."""

    def __init__(
        self,
        launcher: Any,
        study: "Study",
        folder: Path,
        config: "DictConfig",
        hydra_context: "HydraContext",
    ) -> None:
        from vqx.sweeps.composition import Composer

        self._launcher = launcher
        self._study = study
        self._trials = trials_file(folder)
        self._composer = Composer(config, cast(Any, hydra_context.config_loader))
        self._failures: list[str] = []

    def launch(
        self, overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> "Sequence[JobReturn]":
        """Run trials. Raises VqxError when the first ones of this session all failed."""
        from hydra.core.utils import JobStatus

        if len(self._failures) >= _HOPELESS and not _values(self._study):
            raise VqxError(f"all {len(self._failures)} trials failed: {self._failures[-1]}")
        for words in overrides:
            append_line(self._trials, {"run": self._run(words), "overrides": list(words)})
        returns: Sequence[JobReturn] = self._launcher.launch(
            overrides, initial_job_idx=initial_job_idx
        )
        failed = [job for job in returns if job.status != JobStatus.COMPLETED]
        self._failures += [str(job._return_value) for job in failed]
        return returns

    def _run(self, words: Sequence[str]) -> str | None:
        """The name of a trial's run, None for one that cannot be composed: its job says why."""
        from hydra.errors import HydraException
        from omegaconf.errors import OmegaConfBaseException

        from vqx.config import run_name

        try:
            return run_name(self._composer(words))
        except (HydraException, OmegaConfBaseException, VqxError):
            return None
