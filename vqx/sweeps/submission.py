"""What was handed to a launcher for a run: submission.json in its folder.

Only the submitting process writes it; the job itself writes status.json.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

from vqx.errors import VqxError
from vqx.runs.files import write_json_atomic
from vqx.runs.folder import RunFolder, read_json
from vqx.runs.status import now_iso


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One submission of a run to `launcher` (slurm or local).

    `job_id` is the scheduler's (123 or 123_4), `log` the file with the job's output, `code` the
    fingerprint of the code at submission.
    """

    launcher: str
    job_id: str
    log: str
    sweep: str
    code: str
    submitted: str = field(default_factory=now_iso)

    def to_json(self) -> dict[str, Any]:
        """As a plain dictionary."""
        return asdict(self)


def write_submission(folder: RunFolder, submission: Submission) -> None:
    """Replace the folder's submission."""
    write_json_atomic(folder.submission, submission.to_json())


def read_submission(folder: RunFolder) -> Submission | None:
    """The last submission, None for a run that was never submitted.

    Raises VqxError when the file is damaged; keys of newer versions are ignored.
    """
    record = read_json(folder.submission)
    if record is None:
        return None
    try:
        names = ("launcher", "job_id", "log", "sweep", "code", "submitted")
        return Submission(**{name: str(record[name]) for name in names})
    except KeyError as error:
        raise VqxError(f"{folder.submission} is damaged (no {error}): delete it") from error
