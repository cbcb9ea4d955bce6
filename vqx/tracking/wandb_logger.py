"""Weights & Biases: the rows of metrics.jsonl, pictures, a table, and the result as summary.

W&B's history of a run is metrics.jsonl line by line. A row's place in it (what W&B itself calls
step) is twice the optimizer step, one more for an evaluation: so the two lines of one step stay
apart, and a line that a resumed run repeats is told by its place. A run that goes on offline
writes the whole history anew, from metrics.jsonl; online only what the server does not have.
"""

import os
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from vqx.errors import ConfigError, VqxError
from vqx.runs.files import read_lines, write_json_atomic
from vqx.runs.folder import RunFolder
from vqx.runs.status import State, first_line
from vqx.tracking.wandb_server import check_installed, server_fault

_FINISH_SECONDS, _HURRIED_SECONDS = 300.0, 30.0  # the latter after a signal that asks to stop
_TEARDOWN_SECONDS = 5.0
UNSENT = "unsent.json"
_HEAD = ("step", "images_seen", "time")


class WandbLogger:
    """Weights & Biases: the run's id is its signature, so a resumed run goes on as the same one.

    Without a login or network (`mode=auto`) it records offline under the run folder;
    `python -m vqx.report wandb=sync` sends that later. Raises ConfigError when the package is
    missing. Any other failure of W&B is one warning: the run goes on without it.
    """

    def __init__(
        self,
        *,
        project: str = "vqx",
        entity: str | None = None,
        group: str | None = None,
        mode: str = "auto",
    ) -> None:
        if mode not in ("auto", "online", "offline"):
            raise ConfigError(f"logger.mode must be auto, online or offline; got {mode!r}")
        self._project, self._entity = project, entity
        self._group = group or os.environ.get("VQX_SWEEP")
        self._mode = mode
        self._run: Any = None  # None: not started, or lost
        self._first_place = 0  # of the rows that the server does not have yet

    def start(self, *, folder: Path, signature: str, name: str, config: Mapping[str, Any]) -> None:
        """Open the run with id `signature`, and bring it to where metrics.jsonl is.

        Raises VqxError when it cannot and `mode` is online.
        """
        check_installed()
        self._folder = RunFolder(folder)
        identity = {"id": signature, "name": name, "config": dict(config)}
        mode = self._mode if self._mode != "auto" else _available_mode()
        if mode == "offline":
            print("W&B records offline: `python -m vqx.report wandb=sync` sends it later")
        try:
            self._begin(identity, mode=mode)
        except Exception as error:
            if self._mode == "online":
                raise VqxError(
                    f"W&B cannot be started ({first_line(error)}): see `wandb login`, or record "
                    "with logger.mode=offline"
                ) from error
            if mode != "online":
                self._lose(error)
                return
            _warn(f"W&B cannot be started online ({first_line(error)}): it records offline")
            _tear_down()  # for it the run is in use
            try:
                self._begin(identity, mode="offline")
            except Exception as unrecorded:
                self._lose(unrecorded)
        self._attempt(self._catch_up)

    def line(self, record: Mapping[str, Any]) -> None:
        """Record one line of metrics.jsonl."""
        self._attempt(lambda: self._line(record))

    def picture(self, path: Path, *, step: int) -> None:
        """Show the reconstructions of the evaluation at `step`."""
        self._attempt(lambda: self._picture(path, step=step))

    def finish(self, *, state: State, exit_code: int, message: str = "") -> None:
        """End as `state`; a run that is done with its result.json as summary, pictures, a table."""
        self._attempt(lambda: self._finish(state, exit_code=exit_code, message=message))

    def _begin(self, identity: Mapping[str, Any], *, mode: Any) -> None:
        import wandb

        self._run = wandb.init(
            project=self._project,
            entity=self._entity,
            group=self._group,
            dir=str(self._folder.path),
            mode=mode,
            resume="allow" if mode == "online" else None,
            # Its capture of the console would fail with it, and take the run's own words along.
            settings=wandb.Settings(silent=True, console="off"),
            **identity,
        )
        self._unsent.unlink(missing_ok=True)
        self._first_place = self._run.starting_step if mode == "online" else 0

    def _catch_up(self) -> None:
        """Say which axis counts, and record the lines there are from before."""
        run = self._run
        run.define_metric("step")
        for name in _HEAD[1:]:
            run.define_metric(name, summary="none")
        for kind in ("train", "evaluate"):  # the summary is the result, under the result's names
            run.define_metric(f"{kind}/*", step_metric="step", summary="none")
        run.define_metric("images/*", step_metric="step")
        run.summary.update({"state": str(State.RUNNING), "message": ""})
        for record in read_lines(self._folder.metrics):
            self._line(record)
            path = self._folder.images / f"step-{record['step']:08d}.png"
            if record["kind"] == "evaluate" and path.exists():
                self._picture(path, step=record["step"])

    def _line(self, record: Mapping[str, Any]) -> None:
        kind, step = record["kind"], record["step"]
        values = {key: value for key, value in record.items() if key not in (*_HEAD, "kind")}
        head = {key: record[key] for key in _HEAD if key in record}
        self._row(
            {**head, **{f"{kind}/{key}": value for key, value in values.items()}},
            place=2 * step + (kind == "evaluate"),
        )
        if kind == "evaluate":
            self._run.summary.update(values)

    def _picture(self, path: Path, *, step: int) -> None:
        import wandb

        self._row(
            {"step": step, "images/reconstructions": wandb.Image(str(path))}, place=2 * step + 1
        )

    def _final_row(self, result: Mapping[str, Any]) -> None:
        import wandb

        step = result["cost"]["steps"]
        row: dict[str, Any] = {"step": step, "final_metrics": _table(result)}
        for name in ("codebook_usage", "curves"):
            if (path := self._folder.images / f"{name}.png").exists():
                row[f"images/{name}"] = wandb.Image(str(path))
        self._row(row, place=2 * step + 2)

    def _row(self, values: Mapping[str, Any], *, place: int) -> None:
        if place >= self._first_place:
            self._run.log(dict(values), step=place)

    def _finish(self, state: State, *, exit_code: int, message: str) -> None:
        done = state in (State.DONE, State.COLLAPSED)
        result = self._folder.read_result() if done else None
        if result is not None:
            self._final_row(result)
            self._run.summary.update(summary_of(result))
        self._run.summary.update({"state": str(state), "message": message})
        if state is State.INTERRUPTED:
            self._run.mark_preempting()
        run, hurried = self._run, state is State.INTERRUPTED
        seconds = _HURRIED_SECONDS if hurried else _FINISH_SECONDS
        if error := _within(seconds, lambda: _end(run, exit_code=exit_code)):
            raise error
        self._run = None

    def _attempt(self, action: Callable[[], None]) -> None:
        """Do it if W&B is there; a failure ends W&B's part, never the run's."""
        if self._run is None:
            return
        try:
            action()
        except Exception as error:
            self._lose(error)

    def _lose(self, error: Exception) -> None:
        """Go on without W&B; what this session did not send, `wandb=sync` does."""
        self._run = None
        _warn(
            f"W&B has stopped recording ({first_line(error)}): the run goes on without it; "
            "`python -m vqx.report wandb=sync` sends all of it later, from metrics.jsonl"
        )
        destination = {"project": self._project, "entity": self._entity, "group": self._group}
        if self._unsent.parent.is_dir():
            # Not on a full disk; but a recording without an end tells as much.
            with suppress(OSError, VqxError):
                write_json_atomic(self._unsent, destination)
        _tear_down()  # or it would complain at exit, in many lines

    @property
    def _unsent(self) -> Path:
        """A file that says that W&B does not have all of the run, and where it belongs."""
        return self._folder.path / "wandb" / UNSENT


def summary_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """What W&B's summary says of a result.json: metrics by name, `model/...` and `cost/...`."""
    flat = {key: metric["value"] for key, metric in result["metrics"].items()}
    for part in ("model", "cost"):
        flat |= {f"{part}/{k}": v for k, v in result.get(part, {}).items() if v is not None}
    return flat


def _end(run: Any, *, exit_code: int) -> None:
    """Finish, and let wandb's own process end too, which writes on after that."""
    import wandb

    run.finish(exit_code=exit_code)
    wandb.teardown(exit_code)


def _tear_down() -> None:
    """End wandb's own process, which has failed: whether it ends well does not matter."""
    import wandb

    _within(_TEARDOWN_SECONDS, wandb.teardown)


def _within(seconds: float, action: Callable[[], object]) -> Exception | None:
    """Do it in `seconds` at most; what went wrong. A server that has gone may be waited for."""
    failures: list[Exception] = []

    def attempt() -> None:
        try:
            action()
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=attempt, name="vqx-wandb", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        return TimeoutError(f"no end after {seconds:g} s")
    return failures[0] if failures else None


def _table(result: Mapping[str, Any]) -> Any:
    """The final metrics with how each was measured, and those left out with the reason."""
    import wandb

    rows = [
        [key, metric["value"], metric["better"], metric["stamp"]]
        for key, metric in result["metrics"].items()
    ]
    rows += [[key, None, None, f"left out: {why}"] for key, why in result["missing"].items()]
    return wandb.Table(columns=["metric", "value", "better", "protocol"], data=rows)


def _available_mode() -> str:
    """What WANDB_MODE says; else "online" with a login and a network, else "offline"."""
    return os.environ.get("WANDB_MODE") or ("offline" if server_fault() else "online")


def _warn(text: str) -> None:
    print(f"vqx: {text}", file=sys.stderr, flush=True)
