"""Starts of a Slurm job in vain: one that never gets further must not be repeated for ever."""

from collections.abc import Mapping

from vqx.errors import StartsInVain, VqxError
from vqx.runs.checkpoint_files import latest_checkpoint
from vqx.runs.files import write_json_atomic
from vqx.runs.folder import RunFolder, read_json
from vqx.runs.scheduler import job_id


def count_start(folder: RunFolder, *, most: int) -> None:
    """Count this start of the run's job in restarts.json; a new checkpoint begins the count anew.

    So does another job, as after retry=failed. Raises StartsInVain, saying what helps, when `most`
    starts in a row ended without a new checkpoint.
    """
    latest = latest_checkpoint(folder.checkpoints)
    step = 0 if latest is None else latest.step
    now = {"job": job_id(), "step": step}
    vain = _starts_of(folder, now)
    if vain >= most:
        raise StartsInVain(
            f"starts in a row without a new checkpoint after step {step:,}: {vain}, all that "
            "hydra.launcher.max_starts_in_vain allows. Give the job more time "
            "(hydra.launcher.timeout_min), save more often (trainer.checkpoint_every), or look for "
            "what ends it in the job's log; then the same command with retry=failed goes on"
        )
    write_json_atomic(folder.restarts, {**now, "starts": vain + 1})


def _starts_of(folder: RunFolder, now: Mapping[str, object]) -> int:
    """How many starts are counted for the same job at the same step."""
    try:
        before = read_json(folder.restarts) or {}
    except VqxError:
        before = {}  # a damaged count is no reason to end a run: it begins anew
    starts = before.pop("starts", None)
    return starts if isinstance(starts, int) and before == now else 0
