"""How every command of vqx ends when something is wrong: one line, and a non-zero exit code."""

import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from vqx.errors import Interrupted, VqxError

if TYPE_CHECKING:
    from omegaconf import DictConfig


def hydra_entry(task: "Callable[[DictConfig], Any]") -> None:
    """Run `task` under Hydra with vqx's configuration, and turn what goes wrong into one line."""
    import hydra

    from vqx.config import conf_dir, register_resolvers

    register_resolvers()
    sys.argv[1:] = options_first(sys.argv[1:])
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then lets exceptions through to us
    try:
        hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(task)()
    except BrokenPipeError:  # `... --help | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except Exception as error:
        _end(error)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


# Hydra's options that take a value.
_VALUED = ("--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp", "--package", "-p")


def options_first(words: Sequence[str]) -> list[str]:
    """The words of a command line with Hydra's options before the overrides.

    Hydra takes `-m a=b --config-dir . c=d` for a mistake, as its parser wants overrides in a row.
    """
    options: list[str] = []
    rest: list[str] = []
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        if word in _VALUED and waiting:
            options += [word, waiting.pop(0)]
        elif word in ("-m", "--multirun") or word.startswith(tuple(f"{name}=" for name in _VALUED)):
            options.append(word)
        else:
            rest.append(word)
    return [*options, *rest]


def guarded(command: Callable[[], int | None]) -> None:
    """Run a command that is not Hydra's, and exit with its code."""
    try:
        sys.exit(command() or 0)
    except Exception as error:
        _end(error)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def shown(
    name: str,
    command: Callable[[Sequence[str]], None],
    arguments: Sequence[str] | None,
    *,
    help_text: str,
) -> int:
    """Run `command`, which prints what folders say and needs no Hydra; its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # an old locale must not end in a UnicodeEncodeError
            stream.reconfigure(errors="replace")
    if {"-h", "--help"} & set(words):
        print(help_text, end="")
        return 0
    try:
        command(words)
    except VqxError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `| head` has seen enough; the flush at exit must not complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


def exit_code_of(error: BaseException) -> int:
    """128 + the signal's number for an interrupted run, as shells count; else 1."""
    return 128 + error.signal_number if isinstance(error, Interrupted) else 1


def _end(error: Exception) -> NoReturn:
    show(error)
    sys.exit(exit_code_of(error))


def show(error: Exception) -> None:
    """Print `error` as one line if it is the user's to mend, else with its traceback.

    VQX_TRACEBACK=1 in the environment shows the traceback in any case.
    """
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    from vqx.guard import explain

    if os.environ.get("VQX_TRACEBACK"):
        traceback.print_exception(error)
    elif isinstance(error, VqxError):
        print(f"vqx: {error}", file=sys.stderr, flush=True)
    elif "Only one of --run, --multirun, --cfg" in str(error):  # of Hydra's, a ValueError
        line = "--cfg and --info show one configuration: leave -m out and give single values"
        print(f"vqx: {line}; a sweep's jobs are shown by plan=true", file=sys.stderr)
    elif isinstance(error, HydraException | OmegaConfBaseException | YAMLError):
        print(f"vqx: {explain(error)}", file=sys.stderr)
    else:
        traceback.print_exception(error)
