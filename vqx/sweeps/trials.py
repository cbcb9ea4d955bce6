"""A search as others see it: its study's folder, and the trials that it has begun.

Light: no optuna here.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vqx.config import resolved_identity, signature
from vqx.errors import ConfigError
from vqx.runs.files import read_lines
from vqx.runs.folder import RunFolder
from vqx.sweeps.planned import Action, PlannedJob

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader
    from omegaconf import DictConfig

_SEARCH = "hydra_plugins.vqx_search.SearchSweeper"


def is_search(config: "DictConfig") -> bool:
    """Whether a multirun is a search (hydra/sweeper=search)."""
    return bool(config.hydra.sweeper.get("_target_") == _SEARCH)


def study_folder(config: "DictConfig") -> Path:
    """Where the study of a search is kept: results/studies/NAME-SIGNATURE.

    The signature is of all that makes trials comparable, so that other steps or another data set
    begin a study of their own.
    """
    sweeper = config.hydra.sweeper
    name, params = str(sweeper.study_name), sweeper.get("params") or {}
    if not name or Path(name).name != name:
        raise ConfigError(f"hydra.sweeper.study_name={name}: must be a plain file name")
    parts = [
        signature(resolved_identity(config)),
        str(config.get("objective")),
        sorted((str(key), str(value)) for key, value in params.items()),
        sorted(word for word in config.hydra.overrides.task if _is_swept(word)),
    ]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:10]
    return Path(str(config.results)) / "studies" / f"{name}-{digest}"


def trials_file(study: Path) -> Path:
    """Its trials as they began, a line each: {"run": NAME or null, "overrides": [...]}."""
    return study / "trials.jsonl"


def trial_jobs(config: "DictConfig", loader: "ConfigLoader") -> list[PlannedJob]:
    """The trials that a search has begun, not looked up in their folders yet; each run once."""
    from vqx.sweeps.composition import Composer
    from vqx.sweeps.planning import compose_jobs

    lines = read_lines(trials_file(study_folder(config)))
    composer = Composer(config, loader)
    jobs = compose_jobs([line["overrides"] for line in lines], composer, show_progress=False)
    runs = Path(str(config.results)) / "runs"
    named = (_named(job, line.get("run"), runs) for job, line in zip(jobs, lines, strict=True))
    return [job for job in named if job.action is not Action.DUPLICATE]  # one was tried again


def _named(job: PlannedJob, run: str | None, runs: Path) -> PlannedJob:
    """With the folder that the trial had, also where the same words are another run today."""
    if run is None or job.folder is None:
        return job
    return replace(job, folder=RunFolder(runs / run))


def plan_lines(study: Path, jobs: Sequence[PlannedJob], options: Mapping[str, Any]) -> list[str]:
    """How far a search is, and its trials."""
    ended = sum(job.action not in (Action.RUN, Action.RUNNING, Action.WAITING) for job in jobs)
    lines = [f"search {study}: {ended} of {options['n_trials']} trials done"]
    lines += [f"  {j.action.value}: {j.folder.path if j.folder else j.note}" for j in jobs]
    more = ended < options["n_trials"]
    return [*lines, *(["what it tries next depends on their results"] if more else [])]


def _is_swept(word: str) -> bool:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    (override,) = OverridesParser.create().parse_overrides([word])
    return override.is_sweep_override()
