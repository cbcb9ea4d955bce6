"""What the processes of a run that is spread over nodes tell each other through its folder."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vqx.runs.files import write_text_atomic
from vqx.runs.scheduler import restarts


@dataclass(frozen=True, slots=True)
class Session:
    """One start of a run by several tasks of a Slurm step; `name` is the same for all of them."""

    folder: Path
    name: str

    @classmethod
    def of(cls, folder: Path, environment: Mapping[str, str] = os.environ) -> "Session | None":
        """This process's session; None outside of a Slurm step with several tasks."""
        if "SLURM_STEP_ID" not in environment or int(environment.get("SLURM_NTASKS", 1)) < 2:
            return None
        job, step = environment.get("SLURM_JOB_ID", "0"), environment["SLURM_STEP_ID"]
        return cls(folder, f"{job}.{step}-{restarts(environment)}")

    @property
    def _path(self) -> Path:
        return self.folder / "claims" / f"failed-{self.name}"

    def fail(self, reason: str) -> None:
        """Tell the other nodes that this one will not go on; the first reason stays."""
        with suppress(OSError):  # they find out by their broken connections
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if not self._path.exists():
                write_text_atomic(self._path, reason)

    def failure(self) -> str | None:
        """Why another process of this session does not go on, None while all do."""
        try:
            return self._path.read_text()
        except OSError:
            return None

    def forget_others(self) -> None:
        """Remove what earlier sessions left; call it as the folder's owner."""
        for path in self._path.parent.glob("failed-*"):
            if path != self._path:
                path.unlink(missing_ok=True)
