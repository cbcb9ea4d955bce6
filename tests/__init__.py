"""Tests of vqx. Imported before any of them: what the environment must be for all."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two test processes share two cores
for _variable in ("VQX_RESULTS", "VQX_SWEEP", "VQX_TRACEBACK"):
    os.environ.pop(_variable, None)  # a user's own settings
