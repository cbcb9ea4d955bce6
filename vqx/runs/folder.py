"""The files of one run folder, by name."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vqx.errors import VqxError
from vqx.runs.files import space_for, write_json_atomic, write_text_atomic
from vqx.runs.ownership import Claim
from vqx.runs.status import Status


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where a run keeps its things; nothing is created until it is written.

    With the `claim` of its owner, every write makes sure that the folder is still that one's.
    """

    path: Path
    claim: Claim | None = field(default=None, compare=False)

    def check(self) -> None:
        """Raise TakenOver if another process has taken the folder from the claim's holder."""
        if self.claim is not None:
            self.claim.check()

    @property
    def config(self) -> Path:
        """The resolved configuration, YAML."""
        return self.path / "config.yaml"

    @property
    def overrides(self) -> Path:
        """What was typed, a YAML list of strings."""
        return self.path / "overrides.yaml"

    @property
    def status(self) -> Path:
        """State and heartbeat, JSON."""
        return self.path / "status.json"

    @property
    def submission(self) -> Path:
        """What was handed to a launcher for this run, JSON."""
        return self.path / "submission.json"

    @property
    def restarts(self) -> Path:
        """Starts of the run's Slurm job since its last checkpoint, JSON."""
        return self.path / "restarts.json"

    @property
    def environment(self) -> Path:
        """Versions, git, machine, command, JSON."""
        return self.path / "environment.json"

    @property
    def code_diff(self) -> Path:
        """Uncommitted changes of vqx's own source."""
        return self.path / "code.diff"

    @property
    def metrics(self) -> Path:
        """One JSON object a log or evaluation: the truth for curves."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def per_image(self) -> Path:
        """Metrics of each evaluation image, npz: see vqx.training.evaluation_files."""
        return self.path / "per_image.npz"

    @property
    def codebook(self) -> Path:
        """Use of each code on the evaluation images, and the codebook's entries, npz."""
        return self.path / "codebook.npz"

    @property
    def images(self) -> Path:
        """Folder of pictures."""
        return self.path / "images"

    @property
    def result(self) -> Path:
        """Final metrics, JSON, written last: its presence means done."""
        return self.path / "result.json"

    @property
    def error(self) -> Path:
        """Traceback of the rank that failed first."""
        return self.path / "error.txt"

    @property
    def lock(self) -> Path:
        """Locked while a process works on the run."""
        return self.path / "lock"

    @property
    def is_done(self) -> bool:
        """Whether the final result is there."""
        return self.result.exists()

    def read_status(self) -> Status | None:
        """The last status written, None before the first. Raises VqxError when it is damaged."""
        record = read_json(self.status)
        return None if record is None else Status.from_json(record, path=self.status)

    def write_status(self, status: Status) -> None:
        """Replace the status."""
        write_json_atomic(self.status, status.to_json(), check=self.check)

    def read_result(self) -> dict[str, Any] | None:
        """The final result, None while there is none. Raises VqxError when it is damaged."""
        return read_json(self.result)

    def write_result(self, result: dict[str, Any]) -> None:
        """Say that the run is done: call this after everything else is written."""
        write_json_atomic(self.result, result, check=self.check)

    def write_error(self, text: str) -> bool:
        """Keep the first traceback of any rank; False when another rank was faster.

        The first failure is the cause; ranks that lose their partner fail after it. Raises
        TakenOver instead of leaving it to a new owner.
        """
        self.check()
        try:
            descriptor = os.open(self.error, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            return False
        with space_for(self.error), os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
        return True

    def replace_error(self, text: str) -> None:
        """Say it better than the first one did, who only saw a consequence."""
        write_text_atomic(self.error, text, check=self.check)

    def clear_error(self) -> None:
        """Forget the failure of an earlier session."""
        self.error.unlink(missing_ok=True)


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object, None when there is no such file. Raises VqxError naming a damaged file."""
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise VqxError(f"{path} is damaged ({error}): delete it and run again") from error
    if not isinstance(record, dict):
        raise VqxError(f"{path} is damaged (no JSON object): delete it and run again")
    return record
