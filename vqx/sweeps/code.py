"""Which code a run uses: a digest of every source file that can change its numbers.

That is vqx itself and the user's own modules that `_target_`s name, not installed packages (their
versions are in environment.json) nor configuration files (a job's configuration is compared with
what they compose to).
"""

import ast
import hashlib
import importlib.machinery
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import vqx
from vqx.errors import VqxError
from vqx.runs.files import write_json_atomic
from vqx.runs.folder import read_json

# Parts of vqx that plan, start, compare and show runs: no number depends on them.
_AROUND_RUNS = frozenset(
    (
        *("benchmarks", "reporting", "seeing", "sweeps", "watching"),
        *("bench.py", "cli.py", "evaluate.py", "export.py", "guard.py", "prepare.py"),
        *("report.py", "rows.py", "running.py", "status.py", "train.py"),
    )
)
DIGEST_LENGTH = 12


@dataclass(frozen=True)
class Fingerprint:
    """Digests of source files, by their name under a folder of the search path."""

    files: Mapping[str, str]

    @cached_property
    def digest(self) -> str:
        """One digest of all of them."""
        return digest_of(json.dumps(sorted(self.files.items())).encode())

    def changes_since(self, other: "Fingerprint") -> list[str]:
        """Names of the files that are not what they were in `other`, with what became of them."""
        changes = []
        for name in sorted({*self.files, *other.files}):
            if self.files.get(name) != other.files.get(name):
                gone, new = name not in self.files, name not in other.files
                changes.append(f"{name} (removed)" if gone else f"{name} (new)" if new else name)
        return changes


def digest_of(content: bytes) -> str:
    """The digest by which files are told apart."""
    return hashlib.sha256(content).hexdigest()[:DIGEST_LENGTH]


def code_fingerprint(config: Mapping[str, Any]) -> Fingerprint:
    """The code that a run of the plain configuration `config` uses; read once a process."""
    return Fingerprint({**_package_digests(), **_own_digests(_top_names(config))})


def save_fingerprint(fingerprint: Fingerprint, place: Path) -> None:
    """Keep the list of files in the folder `place`, so that a refusal can name them later."""
    path = place / f"code-{fingerprint.digest}.json"
    if not path.exists():
        place.mkdir(parents=True, exist_ok=True)
        write_json_atomic(path, dict(fingerprint.files))


def read_fingerprint(digest: str, place: Path) -> Fingerprint | None:
    """The list kept under `digest`; None when it is gone or damaged."""
    try:
        files = read_json(place / f"code-{digest}.json")
    except VqxError:
        return None
    return None if files is None else Fingerprint({k: str(v) for k, v in files.items()})


def package_files() -> dict[str, Path]:
    """vqx's source files by their name under the folder that holds the package."""
    package = Path(vqx.__file__).resolve().parent
    return {
        str(path.relative_to(package.parent)): path
        for path in sorted(package.rglob("*.py"))
        if path.is_file()
    }


@cache
def _package_digests() -> dict[str, str]:
    return {
        name: digest_of(path.read_bytes())
        for name, path in package_files().items()
        if Path(name).parts[1] not in _AROUND_RUNS
    }


def own_modules(config: Mapping[str, Any]) -> dict[str, Path]:
    """The user's source files that `_target_`s name, with what they import of the same kind."""
    return _files_of(_top_names(config))


@cache
def _own_digests(tops: tuple[str, ...]) -> dict[str, str]:
    return {name: digest_of(path.read_bytes()) for name, path in _files_of(tops).items()}


def _top_names(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Top-level modules and packages that `_target_`s name."""
    return tuple(sorted({target.split(".")[0] for target in _targets(config)}))


def _files_of(tops: tuple[str, ...]) -> dict[str, Path]:
    """Source files of those of `tops` that are the user's own, and of what these import."""
    found: dict[str, Path] = {}
    waiting = list(tops)
    seen: set[str] = set()
    while waiting:
        top = waiting.pop()
        if top in seen:
            continue
        seen.add(top)
        for name, path in _module_files(top).items():
            found[name] = path
            waiting.extend(_imported(path))
    return found


def _targets(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if isinstance(node.get("_target_"), str):
            yield node["_target_"]
        for value in node.values():
            yield from _targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from _targets(value)


def _module_files(top: str) -> dict[str, Path]:
    """Source files of the top-level module or package `top`, if it is the user's own."""
    if top == "vqx" or top in sys.stdlib_module_names:
        return {}
    spec = importlib.machinery.PathFinder.find_spec(top)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return {}
    origin = Path(spec.origin).resolve()
    if {"site-packages", "dist-packages"} & set(origin.parts):
        return {}
    if spec.submodule_search_locations is None:
        return {origin.name: origin}
    root = origin.parent
    return {str(path.relative_to(root.parent)): path for path in sorted(root.rglob("*.py"))}


def _imported(path: Path) -> Iterator[str]:
    """Top-level names that a source file imports, anywhere in it."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return  # its run will say so
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.split(".")[0]
