"""Errors a user can mend: entry points print them as one line and exit non-zero."""

from functools import partial
from typing import Any


class VqxError(Exception):
    """A mistake or lack outside vqx's code; the one-line message names the thing and the remedy."""


class ConfigError(VqxError):
    """A configuration that cannot be run as written."""


class DataError(VqxError):
    """A data set that is missing, unreadable or of the wrong shape."""


class NoRoom(DataError):
    """A disk with too little room for what is to be stored on it."""


class WeightsMissing(VqxError):
    """Pretrained weights that are neither configured, nor cached, nor downloadable."""


class RunLocked(VqxError):
    """Another process holds this run's folder."""


class TakenOver(RunLocked):
    """Another process owns this run's folder now: whatever this one has must not be written."""


class SlurmUnreachable(VqxError):
    """No Slurm on this machine, or one that does not answer."""


class SubmissionStale(VqxError):
    """Configuration or code of a job is not what it was when the job was submitted."""


class StartsInVain(VqxError):
    """A job that its scheduler started again and again without a new checkpoint."""


class CheckpointError(VqxError):
    """No usable checkpoint where one is needed."""


class ContractBroken(VqxError):
    """A quantizer that does not keep its contract: training it would give wrong numbers."""


class Diverged(VqxError):
    """The loss became NaN or infinite at a known step."""


class Interrupted(VqxError):
    """A signal asked the run to stop; its state is saved and the same command resumes it."""

    def __init__(self, message: str, *, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled with its keyword, so that a spawned rank can hand it to its parent."""
        return partial(Interrupted, signal_number=self.signal_number), self.args
