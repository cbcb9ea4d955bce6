"""Processes that end with the one that started them."""

import ctypes
import os
import signal
import sys


def end_with_parent(parent: int) -> None:
    """On Linux let the kernel end this process when its `parent` (pid) is gone, even killed.

    Strictly: when the thread of the parent that started this process ends.
    """
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
