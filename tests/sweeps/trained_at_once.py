"""`python -m vqx.train` whose training is a formula, for tests of what surrounds it.

A run's PSNR is best, 30, at a learning rate of 1e-3. Environment: TRAINED is a file that gets a
line a training; the training number KILL_AT ends its process by SIGKILL; learning rates above
FAIL_ABOVE fail; SLOW are seconds a training takes.
"""

import math
import os
import signal
import sys
import time
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from tests.runs.synthetic import result_of
from vqx.errors import VqxError
from vqx.runs.folder import RunFolder
from vqx.runs.status import State, Status


def run_training(config: dict[str, Any], folder: RunFolder, *, overrides: Sequence[str]) -> int:
    """Write what a training would have written."""
    rate = config["trainer"]["learning_rate"]
    trained = Path(os.environ["TRAINED"])
    with trained.open("a") as file:
        file.write(f"{folder.path.name}\n")
    if len(trained.read_text().splitlines()) == int(os.environ.get("KILL_AT", "0")):
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(float(os.environ.get("SLOW", "0")))
    if rate > float(os.environ.get("FAIL_ABOVE", "inf")):
        folder.write_status(Status(state=State.FAILED, message="too fast"))
        raise VqxError("too fast")
    folder.write_result(result_of(config, psnr=30 - (math.log10(rate) + 3) ** 2))
    folder.write_status(Status(state=State.DONE, step=800, steps=800))
    return 0


def train(*words: str) -> NoReturn:
    """`python -m vqx.train WORDS` with the formula in place of the training."""
    launch = types.ModuleType("vqx.training.launch")
    launch.run_training = run_training  # type: ignore[attr-defined]
    sys.modules[launch.__name__] = launch
    sys.argv = ["vqx.train", *words]
    from vqx.train import main

    main()
    sys.exit(0)


def forked(*words: str, cwd: Path, **variables: str) -> "tuple[int, Path]":
    """Start `train` in a child of this process, which keeps what that has imported (seconds).

    Returns its process id, and the file with what it prints.
    """
    printed = cwd / "printed"
    child = os.fork()
    if child:
        return child, printed
    code = 1
    try:
        os.chdir(cwd)
        os.environ.update(variables)
        descriptor = os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        train(*words)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
