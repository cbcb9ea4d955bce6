"""Jobs whose configurations are made up, so that planning them needs no Hydra."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vqx.errors import ConfigError
from vqx.runs.folder import RunFolder
from vqx.runs.status import State, Status
from vqx.sweeps.options import SweepOptions
from vqx.sweeps.planned import PlannedJob
from vqx.sweeps.planning import make_plan


def composer(results: Path, **more: Any):
    """Composes `key=value` words of whole numbers onto a small configuration."""

    def compose(overrides: Sequence[str]) -> dict[str, Any]:
        if "refused" in overrides:
            raise ConfigError("nothing reads 'refused'")
        values = dict(word.split("=") for word in overrides)
        return {
            "quantizer": {"_target_": "vqx.quantizers.FSQ"},
            "model": {"width": 16},
            "data": {"name": "photos"},
            "trainer": {"steps": 100, "devices": 1, "device": "auto", "evaluate_every": None},
            "results": str(results),
            "seed": 0,
            **more,
            **{key: int(value) for key, value in values.items()},
        }

    return compose


def plan(results: Path, *jobs: str, **options: Any) -> list[PlannedJob]:
    """The plan of jobs that are each given as one string of overrides."""
    words = [job.split() for job in jobs]
    return make_plan(words, composer(results), SweepOptions(**options), show_progress=False)


def folder(results: Path, job: str, state: State | None = None, **status: Any) -> RunFolder:
    """The folder of a job, there with this status if one is given."""
    found = plan(results, job)[0].folder
    assert found is not None
    if state is not None:
        found.path.mkdir(parents=True, exist_ok=True)
        found.write_status(Status(state=state, **status))
    return found
