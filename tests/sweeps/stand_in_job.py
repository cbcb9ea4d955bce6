"""Jobs for a pool that train nothing: each notes where it ran in its folder."""

import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from vqx.errors import Interrupted
from vqx.runs.folder import RunFolder
from vqx.runs.status import Heartbeat
from vqx.sweeps.ending import end_interrupted, on_sigterm, stop_with_pool


@dataclass(frozen=True)
class StandIn:
    """Runs for `seconds`, or until told to stop, and ends as `end` says: done, raise, die.

    With `slow` it takes two seconds more to stop; `deaf` knows no signal yet.
    """

    folder: Path
    seconds: float = 0.2
    end: str = "done"
    code: str = ""

    def __call__(self) -> str:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if self.end == "deaf" else on_sigterm)
        folder = RunFolder(self.folder)
        start = time.time()
        try:
            stop_with_pool()
            with Heartbeat(folder, steps=1):
                time.sleep(self.seconds)
                if self.end == "raise":
                    raise ZeroDivisionError("by zero")
                if self.end == "die":
                    os.kill(os.getpid(), signal.SIGKILL)
        except Interrupted as error:
            time.sleep(2.0 if self.end == "slow" else 0.0)
            end_interrupted(error.signal_number)
        wanted = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")
        record = {
            "span": (start, time.time()),
            "cores": sorted(os.sched_getaffinity(0)),
            **{name: os.environ.get(name) for name in wanted},
        }
        folder.write_result({"metrics": {}, "where": json.dumps(record)})
        return "done"
