"""One job of a sweep: it runs what its folder held at submission, and nothing else.

`RunJob` is what a scheduler keeps and calls, in a process of its own, any number of times.
"""

import os
import signal
import traceback
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vqx.errors import Diverged, Interrupted, RunLocked, StartsInVain, SubmissionStale, VqxError
from vqx.running import record_failure, run_or_go_on, show_result
from vqx.runs.files import write_json_atomic
from vqx.runs.folder import RunFolder, read_json
from vqx.runs.lock import RunLock, outwait_silence
from vqx.runs.ownership import owner
from vqx.runs.scheduler import job_id
from vqx.runs.status import State, Status, first_line
from vqx.sweeps.ending import (
    end_interrupted,
    first_process,
    on_sigterm,
    patient,
    stop_with_pool,
)
from vqx.sweeps.restarts import count_start
from vqx.sweeps.stale import Changes, changes
from vqx.training.session import Session

CODE_LISTS = ".submitit"  # beside the run folders


@dataclass(frozen=True)
class RunJob:
    """Runs the configuration in `folder`; `code` is the fingerprint's digest at submission.

    `stale` (refuse, warn) says what to do when code or configuration are not what they were;
    `stop_seconds` bounds how long a stop signal waits for the end of a step; `searchpath` is where
    configuration is looked for besides vqx's own. `snapshot`: it runs from a copy of the code.
    `starts_in_vain` bounds how many of Slurm's starts in a row may end without a new checkpoint.
    """

    folder: Path
    stale: str = "refuse"
    stop_seconds: float | None = None
    code: str = ""
    searchpath: tuple[str, ...] = ()
    snapshot: bool = False
    starts_in_vain: int | None = None

    def __call__(self) -> str:
        """Train or go on; the run's state at the end.

        A run that is done or that another process holds is left alone; one that fails raises, so
        that the scheduler's job fails too. An interrupted one ends the process.
        """
        folder = RunFolder(self.folder)
        if self.stop_seconds is not None:
            os.environ["VQX_STOP_SECONDS"] = str(self.stop_seconds)
        before = signal.signal(signal.SIGTERM, on_sigterm)
        before_usr2 = signal.getsignal(signal.SIGUSR2)
        signal.signal(signal.SIGUSR2, patient(before_usr2))
        try:
            stop_with_pool()
            return self._run(folder).value
        except RunLocked as error:
            print(f"left alone: {error}", flush=True)
            return State.RUNNING.value
        except Diverged as error:
            print(f"vqx: {error}", flush=True)
            return State.DIVERGED.value
        except Interrupted as error:
            print(f"vqx: {error}", flush=True)
            end_interrupted(error.signal_number)
        except Exception as error:
            if first_process():
                record_failure(folder, error, keep=True)
            elif _is_anothers(folder):  # which the first node's process was told of by name
                return State.RUNNING.value
            raise
        finally:
            signal.signal(signal.SIGTERM, before)
            signal.signal(signal.SIGUSR2, before_usr2)

    def checkpoint(self) -> Any:
        """What a scheduler is to call after a requeue: the same again, as the folder knows."""
        import submitit

        pickle = submitit.JobEnvironment().paths.submitted_pickle
        # Left by a process killed while it wrote this very file: submitit stumbles over it.
        pickle.with_suffix(pickle.suffix + ".save_tmp").unlink(missing_ok=True)
        return submitit.helpers.DelayedSubmission(self)

    def _run(self, folder: RunFolder) -> State:
        if folder.is_done:
            print("done already", flush=True)
            return State.DONE
        config, overrides = _stored(folder)
        if first_process():
            outwait_silence(folder.path)
            self._count_start(folder)
        found = self._changes(folder, config, overrides)
        try:
            run_or_go_on(config, folder, overrides=overrides)
        except RunLocked:
            found = None  # the session that is noted there is the holder's
            raise
        finally:
            _note(folder, [] if found is None else found.all)
        show_result(folder)
        status = folder.read_status()
        return State.DONE if status is None else status.state

    def _count_start(self, folder: RunFolder) -> None:
        if self.starts_in_vain is None:
            return
        try:
            count_start(folder, most=self.starts_in_vain)
        except StartsInVain as error:
            _refuse(folder, error)

    def _changes(
        self, folder: RunFolder, config: dict[str, Any], overrides: list[str]
    ) -> Changes | None:
        """What changed since the submission, in a run that is to run nevertheless."""
        if not first_process():
            return None
        found = changes(
            config,
            overrides,
            code=self.code,
            code_lists=folder.path.parent / CODE_LISTS,
            searchpath=self.searchpath,
            snapshot=self.snapshot,
        )
        if not found.all:
            return None
        said = f"changed since the submission of {folder.path}: {found}"
        if self.stale != "warn":
            _refuse(folder, SubmissionStale(f"{said}: {found.way_on(folder)}"))
            return None
        print(f"warning: {said}: running what was submitted", flush=True)
        return found


def _is_anothers(folder: RunFolder) -> bool:
    """Whether another job or process has taken the run, so that this job's ranks never met."""
    holder = owner(folder.path)
    return holder is not None and holder.job_id != job_id()


def _stored(folder: RunFolder) -> tuple[dict[str, Any], list[str]]:
    """Configuration and overrides as submitted. Raises VqxError when they are gone or damaged."""
    import yaml

    try:
        config = yaml.safe_load(folder.config.read_text())
        overrides = yaml.safe_load(folder.overrides.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise VqxError(f"{folder.path} cannot be read ({error}): submit it again") from error
    if not isinstance(config, dict) or not isinstance(overrides, list):
        raise VqxError(f"{folder.path} holds no run: submit it again")
    return {str(key): value for key, value in config.items()}, [str(word) for word in overrides]


def _refuse(folder: RunFolder, error: VqxError) -> None:
    """Raise `error`, which says why the job does not run, after saying so in the folder.

    Raises RunLocked if another process works on the run, and nothing if it is done by now.
    """
    with RunLock(folder.path):
        if folder.is_done:
            return
        before = folder.read_status() or Status(state=State.FAILED)
        folder.clear_error()
        folder.write_error("".join(traceback.format_exception(error)))
        status = Status(state=State.FAILED, message=str(error))
        folder.write_status(replace(status, step=before.step, steps=before.steps))
    if session := Session.of(folder.path):  # the other nodes wait for this one
        session.fail(first_line(error))
    raise error


def _note(folder: RunFolder, found: list[str]) -> None:
    """Keep with the session in environment.json that it ran in spite of changes."""
    record = read_json(folder.environment) if found else None
    if record is not None and record.get("sessions"):
        record["sessions"][-1]["changed_since_submission"] = found
        write_json_atomic(folder.environment, record)
