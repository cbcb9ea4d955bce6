"""Planned and queued jobs of tiny runs."""

from pathlib import Path

from tests.commands import TINY
from vqx.config import composed
from vqx.sweeps.options import without_options
from vqx.sweeps.planned import Action, PlannedJob
from vqx.sweeps.planning import folder_of
from vqx.sweeps.queueing import queue_runs


def planned(results: Path, *words: str) -> PlannedJob:
    """The job of a tiny run with `words` on top, its folder not written yet."""
    overrides = (*TINY, *words)
    config = without_options(composed([*overrides, f"results={results}"]))
    folder = folder_of(config)
    return PlannedJob(overrides=overrides, config=config, folder=folder, action=Action.RUN)


def queued(results: Path, *words: str) -> PlannedJob:
    """The same, queued."""
    job = planned(results, *words)
    queue_runs([job])
    return job
