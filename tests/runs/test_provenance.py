"""What environment.json says of code, machine and sessions."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from vqx.runs import provenance
from vqx.runs.folder import RunFolder
from vqx.runs.provenance import SourceCode, source_code, write_provenance


def _git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package tracked by a repository."""
    package = tmp_path / "repository" / "package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("x = 1\n")
    _git(tmp_path / "repository", "init", "-q")
    _git(tmp_path / "repository", "add", ".")
    _git(tmp_path / "repository", "commit", "-q", "-m", "first")
    return package


def _write(folder: Path, **changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "command": ["python", "-m", "vqx.train"],
        "seed": 3,
        "device": "cpu",
        "devices": 1,
        **changes,
    }
    write_provenance(RunFolder(folder), **arguments)
    return json.loads((folder / "environment.json").read_text())


def test_a_clean_commit(package: Path) -> None:
    code = source_code(package)
    assert len(code.commit or "") == 40
    assert code.to_json()["dirty"] is False


def test_changes_and_untracked_files_are_kept(package: Path) -> None:
    (package / "__init__.py").write_text("x = 2\n")
    (package / "new.py").write_text("")
    code = source_code(package)
    assert "+x = 2" in code.diff
    assert code.untracked == ["package/new.py"]
    assert code.to_json()["dirty"] is True
    (package / "__init__.py").write_text("x = 3\n")
    assert source_code(package).to_json()["diff_sha256"] != code.to_json()["diff_sha256"]


def test_a_stranger_repository_around_an_installed_package_is_not_its_code(package: Path) -> None:
    installed = package.parent / ".venv" / "vqx"
    installed.mkdir(parents=True)
    (installed / "__init__.py").touch()
    assert source_code(installed).commit is None


def test_no_repository_and_no_git_are_no_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "__init__.py").touch()
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    code = source_code(tmp_path)
    assert code.commit is None
    assert "not a git repository" in (code.reason or "")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "git" in (source_code(tmp_path).reason or "")


def test_a_git_that_hangs_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: Path
) -> None:
    slow = tmp_path / "git"
    slow.write_text("#!/bin/sh\nexec sleep 30\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(provenance, "_GIT_SECONDS", 0.2)
    assert "timed out" in (source_code(package).reason or "")


def test_what_a_run_was_made_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "42")
    monkeypatch.setenv("WANDB_API_KEY", "secret")
    environment = _write(tmp_path, extra={"deterministic": True})
    assert environment["command"] == ["python", "-m", "vqx.train"]
    assert (environment["seed"], environment["device"], environment["devices"]) == (3, "cpu", 1)
    assert environment["packages"]["numpy"]
    assert environment["variables"]["SLURM_JOB_ID"] == "42"
    assert environment["deterministic"] is True
    assert environment["cpu"]
    assert environment["cores"] >= 1
    assert "secret" not in (tmp_path / "environment.json").read_text()


def test_a_resume_keeps_the_first_start_and_adds_what_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = iter(
        [SourceCode("aaa", "diff one"), SourceCode("aaa", "diff one"), SourceCode("bbb", "two")]
    )
    monkeypatch.setattr(provenance, "source_code", lambda _: next(states))
    first = _write(tmp_path)
    _write(tmp_path)
    third = _write(tmp_path, device="H200")
    assert {k: v for k, v in third.items() if k != "sessions"} == {
        k: v for k, v in first.items() if k != "sessions"
    }
    assert third["device"] == "cpu"
    assert [set(session) - {"started", "host", "pid"} for session in third["sessions"]] == [
        set(),
        set(),
        {"git", "device"},
    ]
    assert third["sessions"][2]["git"]["commit"] == "bbb"
    assert (tmp_path / "code.diff").read_text() == "diff one"
    assert (tmp_path / "code-3.diff").read_text() == "two"
    assert not (tmp_path / "code-2.diff").exists()


def test_only_changed_packages_are_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "_packages", lambda: {"torch": "2.13", "numpy": "2.4"})
    _write(tmp_path)
    monkeypatch.setattr(provenance, "_packages", lambda: {"torch": "2.14", "numpy": "2.4"})
    assert _write(tmp_path)["sessions"][1]["packages"] == {"torch": "2.14"}


def test_a_huge_diff_is_cut_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "_LARGEST_DIFF", 100)
    monkeypatch.setattr(provenance, "source_code", lambda _: SourceCode("aaa", "x" * 1000))
    _write(tmp_path)
    assert "1,000 characters in all" in (tmp_path / "code.diff").read_text()
