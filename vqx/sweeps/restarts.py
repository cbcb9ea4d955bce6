"""Starts of a Slurm job in vain: one that never gets further must not be repeated for ever."""

from vqx.errors import StartsInVain
from vqx.runs.files import write_json_atomic
from vqx.runs.folder import RunFolder, read_json
from vqx.runs.scheduler import restarts


def count_start(folder: RunFolder, *, most: int) -> None:
    """Count this start of the run's job in restarts.json; a new checkpoint begins the count anew.

    So does a job that is new in Slurm, as after retry=failed. Raises StartsInVain, saying what
    helps, when `most` starts in a row ended without a new checkpoint.
    """
    from vqx.training.checkpoints import list_checkpoints  # imports torch

    saved = list_checkpoints(folder.checkpoints)
    step = saved[0].step if saved else 0
    before = read_json(folder.restarts) or {}
    vain = int(before["starts"]) if restarts() and before.get("step") == step else 0
    if vain >= most:
        raise StartsInVain(
            f"starts in a row without a new checkpoint after step {step:,}: {vain}, so this one "
            "ends here. Give the job more time (hydra.launcher.timeout_min), save more often "
            "(trainer.checkpoint_every), or look for what ends it in the job's log; then the same "
            "command with retry=failed goes on"
        )
    write_json_atomic(folder.restarts, {"step": step, "starts": vain + 1})
