"""The report of folders that are torn, foreign, of other versions or out of reach is no error."""

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.runs.synthetic import config_of, environment_of, result_of, write_run
from vqx.report import main

_FILES = ("config.yaml", "status.json", "result.json", "environment.json")


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four good runs in the default place."""
    folder = tmp_path / "results" / "runs"
    for name in ("fsq", "ema"):
        for seed in range(2):
            write_run(folder, config_of(name, seed=seed))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VQX_RESULTS", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    return folder


def _with_result(**changes: Any) -> Callable[[Path], object]:
    def write(run: Path) -> None:
        result = {**result_of(config_of("vq")), **changes}
        kept = {key: value for key, value in result.items() if value is not ...}
        (run / "result.json").write_text(json.dumps(kept))

    return write


def _unlinked(run: Path, name: str) -> Path:
    (run / name).unlink()
    return run / name


def _as_folder(run: Path, name: str) -> None:
    _unlinked(run, name).mkdir()


_SKIPPED: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda run: [path.unlink() for path in run.iterdir()], "no config.yaml"),
    "binary": (
        lambda run: [path.write_bytes(random.Random(0).randbytes(999)) for path in run.iterdir()],
        "config.yaml cannot be read ('utf-8' codec",
    ),
    "folder": (
        lambda run: _as_folder(run, "config.yaml"),
        "config.yaml cannot be read ([Errno 21]",
    ),
    "loop": (
        lambda run: _unlinked(run, "config.yaml").symlink_to("config.yaml"),
        "config.yaml cannot be read ([Errno 40]",
    ),
    "pipe": (
        lambda run: os.mkfifo(_unlinked(run, "config.yaml")),
        "config.yaml cannot be read ([Errno 22] no plain file",
    ),
    "device": (
        lambda run: _unlinked(run, "config.yaml").symlink_to("/dev/zero"),
        "config.yaml cannot be read ([Errno 22] no plain file",
    ),
    "other project": (
        lambda run: (run / "config.yaml").write_text("trainer: fast\nmodel: resnet\n"),
        "config.yaml is damaged (model is no mapping)",
    ),
    "deep": (lambda run: (run / "config.yaml").write_text("a: " + "[" * 9999), "is damaged ("),
}

_NAMED: dict[str, tuple[Callable[[Path], object], str]] = {
    "torn": (
        lambda run: (run / "result.json").write_text('{"metrics": {"psn'),
        "result.json is damaged (Unterminated string",
    ),
    "list": (lambda run: (run / "result.json").write_text("[1]"), "(no JSON object)"),
    "deep": (lambda run: (run / "result.json").write_text("[" * 99_999), "(nested too deeply)"),
    "a folder": (
        lambda run: _as_folder(run, "result.json"),
        "cannot be read (Is a directory)",
    ),
    "metrics": (_with_result(metrics=[1]), "(metrics is no mapping)"),
    "metric": (_with_result(metrics={"psnr": 3}), "(metrics.psnr is no mapping)"),
    "text": (_with_result(metrics={"psnr": {"value": "9"}}), "(metrics.psnr.value is no number)"),
    "model": (_with_result(model="vq"), "(model is no mapping)"),
    "data": (_with_result(data=[]), "(data is no mapping)"),
    "environment": (
        lambda run: (run / "environment.json").write_text('{"git": "x"}'),
        "environment.json is damaged (git is no mapping)",
    ),
    "sessions": (
        lambda run: (run / "environment.json").write_text('{"sessions": [3]}'),
        "environment.json is damaged (sessions.0 is no mapping)",
    ),
    "status": (
        lambda run: ((run / "result.json").unlink(), (run / "status.json").write_text("{")),
        "status.json is damaged",
    ),
}

_READ: dict[str, Callable[[Path], object]] = {
    "without keys": _with_result(model=..., data=..., cost=..., missing=...),
    "only metrics": lambda run: (run / "result.json").write_text('{"metrics": {}}'),
    "nothing": lambda run: (run / "result.json").write_text("{}"),
    "nulls": _with_result(model=None, data=None, cost=None, missing=None, metrics=None),
    "not finite": _with_result(
        metrics={"psnr": {"value": float("nan")}, "l1": {"value": float("inf"), "stamp": "s"}}
    ),
    "no value": _with_result(metrics={"psnr": {}, "mine": {"value": None}}),
    "huge": lambda run: (run / "result.json").write_text(
        '{"metrics": {"psnr": {"value": %s}}}' % ("9" * 400)
    ),
    "no environment": lambda run: (run / "environment.json").unlink(),
    "no status": lambda run: (run / "status.json").unlink(),
    "no time": lambda run: (
        (run / "result.json").unlink(),
        (run / "status.json").write_text(
            (run / "status.json")
            .read_text()
            .replace('"done"', '"running"')
            .replace('"heartbeat": ', '"heartbeat": NaN, "old": ')
        ),
    ),
}


def _report(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    code = main(["formats=[md,csv,tex,json]", *words])
    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    return " ".join(out.split())


@pytest.mark.parametrize("case", _SKIPPED)
def test_what_is_no_run_is_named_and_skipped(
    runs: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    damage, reason = _SKIPPED[case]
    run = write_run(runs, config_of("vq"))
    damage(run)
    said = _report(capsys)
    assert f"skipped results/runs/{run.name}: " in said
    assert reason in said


@pytest.mark.parametrize("case", _NAMED)
def test_a_run_with_a_damaged_file_keeps_its_row_and_says_so(
    runs: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    damage, reason = _NAMED[case]
    damage(write_run(runs, config_of("vq")))
    said = _report(capsys)
    assert reason in said
    assert "skipped" not in said


@pytest.mark.parametrize("case", _READ)
def test_a_run_of_another_version_is_a_row(
    runs: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _READ[case](write_run(runs, config_of("vq")))
    assert "skipped" not in _report(capsys)


def test_what_stands_among_runs_is_no_matter(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (runs / "loop").symlink_to("loop")
    (runs / "gone").symlink_to("nowhere")
    (runs / "file-0123456789").write_text("x")
    os.mkfifo(runs / "pipe")
    assert "skipped" not in _report(capsys)


def test_a_folder_out_of_reach_is_named(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `chmod 0` makes it for all but the one who owns the machine."""
    run = write_run(runs, config_of("vq"))
    scandir, opened = os.scandir, os.open

    def denied(path: object, *rest: Any, **options: Any) -> Any:
        if run.name in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *rest, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "open", denied)
    assert "config.yaml cannot be read ([Errno 13] Permission denied" in _report(capsys)
    monkeypatch.setattr(os, "open", opened)

    def unlisted(path: object) -> Any:
        if str(path).endswith("other"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)  # type: ignore[call-overload]

    (runs.parent / "other").mkdir()
    monkeypatch.setattr(os, "scandir", unlisted)
    said = _report(capsys, f"runs=[{runs},{runs.parent / 'other'}]")
    assert f"skipped {runs.parent / 'other'}: no config.yaml" in said


_OTHERS: list[Any] = [None, True, 0, -3, 1e308, float("nan"), "", "x", [], [1], {}, {"a": 1}, [[]]]


def _changed(node: Any, drawn: random.Random) -> Any:
    """`node` with one thing in it replaced by something else."""
    if isinstance(node, dict) and node and drawn.random() < 0.85:
        key = drawn.choice(sorted(node))
        return {**node, key: _changed(node[key], drawn)}
    return drawn.choice(_OTHERS)


@pytest.mark.parametrize("seed", range(40))
def test_nothing_that_a_file_may_say_is_fatal(
    runs: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = random.Random(seed)
    for place in range(4):
        config = config_of("vq", seed=place)
        sessions = [{"own_code": {"mine.py": "ab"}, "git": {"commit": "c"}}]
        environment = environment_of(own_code={"mine.py": "cd"}, sessions=sessions)
        run = write_run(runs, config, environment=environment)
        for name in _FILES:
            for _ in range(drawn.choice((0, 0, 1, 2))):
                content = yaml.load((run / name).read_text(), Loader=yaml.CSafeLoader)
                text = json.dumps(_changed(content, drawn))
                (run / name).write_text(text)
    _report(capsys)
    shutil.rmtree(runs.parent / "tables")
