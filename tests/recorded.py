"""Runs as the W&B logger records them, without training anything."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.runs.synthetic import config_of, write_run
from vqx.runs.status import State
from vqx.tracking.wandb_logger import WandbLogger

ENDS = {State.DONE: 0, State.COLLAPSED: 0, State.FAILED: 1, State.DIVERGED: 1}


def without_login(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Let wandb find neither a key nor settings of this machine's user."""
    for name in ("WANDB_API_KEY", "WANDB_BASE_URL", "WANDB_MODE", "NETRC", "VQX_SWEEP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(home / "wandb-config"))


def line(step: int, kind: str = "train") -> dict[str, Any]:
    """A line of metrics.jsonl."""
    values = {"loss": 1 / step} if kind == "train" else {"psnr": 20.0 + step, "usage": 0.5}
    head = {"step": step, "images_seen": 8 * step, "kind": kind, "time": float(step)}
    return {**head, **values}


def lines(last: int) -> list[dict[str, Any]]:
    """Both lines of steps 1 to `last`."""
    return [line(step, kind) for step in range(1, last + 1) for kind in ("train", "evaluate")]


def write_lines(folder: Path, records: Iterable[dict[str, Any]]) -> None:
    """Let metrics.jsonl hold `records`, and images/ a picture of each evaluation."""
    (folder / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    (folder / "images").mkdir(exist_ok=True)
    for record in records:
        if record["kind"] == "evaluate":
            picture = Image.new("RGB", (8, 4), (record["step"], 0, 0))
            picture.save(folder / "images" / f"step-{record['step']:08d}.png")


def started(folder: Path, *, mode: str = "offline", **options: Any) -> WandbLogger:
    """A logger as the first rank starts it."""
    logger = WandbLogger(mode=mode, **options)
    signature = folder.name.rpartition("-")[2]
    logger.start(
        folder=folder, signature=signature, name=folder.name, config={"data": {"name": "photos"}}
    )
    return logger


def recorded_run(
    runs: Path, *, seed: int = 0, state: State = State.DONE, mode: str = "offline", steps: int = 3
) -> Path:
    """The folder of a run that has ended as `state`, recorded to its end."""
    folder = write_run(runs, config_of(seed=seed), state=state)
    write_lines(folder, lines(steps))
    started(folder, mode=mode).finish(state=state, exit_code=ENDS.get(state, 143))
    return folder


def services_of(process: int) -> list[int]:
    """wandb's own processes that `process` has started; needs /proc."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text().partition("(")[2].rpartition(")")
        except OSError:  # it has ended since
            continue
        if name.startswith("wandb") and int(rest.split()[1]) == process:
            found.append(int(path.parent.name))
    return found
