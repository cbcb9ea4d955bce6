"""What Slurm tells a process about its job."""

import os
from collections.abc import Mapping


def job_id(environment: Mapping[str, str] = os.environ) -> str | None:
    """The job's id as people and squeue write it: 123, or 123_4 for a task of an array."""
    array, task = (environment.get(f"SLURM_ARRAY_{name}_ID") for name in ("JOB", "TASK"))
    return f"{array}_{task}" if array and task else environment.get("SLURM_JOB_ID")


def node(environment: Mapping[str, str] = os.environ) -> str | None:
    """The node's name in Slurm, which need not be the host's."""
    return environment.get("SLURMD_NODENAME")


def restarts(environment: Mapping[str, str] = os.environ) -> int:
    """How often Slurm has started this job again; 0 outside of Slurm."""
    count = environment.get("SLURM_RESTART_COUNT", "")
    return int(count) if count.isdecimal() else 0
