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
from collections.abc import Iterator, Mapping, Sequence
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
        *("benchmarks", "reporting", "seeing", "sweeps", "tracking", "watching"),
        *("bench.py", "cli.py", "evaluate.py", "export.py", "guard.py", "prepare.py"),
        *("report.py", "rows.py", "running.py", "status.py", "train.py"),
    )
)
DIGEST_LENGTH = 12
_INSTALLED = frozenset(("site-packages", "dist-packages"))


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
    return Fingerprint({**_package_digests(), **own_digests(config)})


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
    return _files_of(_target_names(config))


def own_digests(config: Mapping[str, Any]) -> dict[str, str]:
    """Digests of the user's own source files among those; as they were first read in a process."""
    return dict(_own_digests(_target_names(config)))


@cache
def _own_digests(names: tuple[str, ...]) -> dict[str, str]:
    return {name: _file_digest(path) for name, path in _files_of(names).items()}


def _file_digest(path: Path) -> str:
    try:
        return digest_of(path.read_bytes())
    except OSError:  # whoever needs it will say so
        return "unreadable"


def _target_names(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Dotted names in `_target_`s, without those of vqx itself."""
    return tuple(sorted({name for name in _targets(config) if name.split(".")[0] != "vqx"}))


def _files_of(names: tuple[str, ...]) -> dict[str, Path]:
    """Source files of those of the dotted `names` that are the user's own, and what they import."""
    found: dict[str, Path] = {}
    waiting = list(names)
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        top = name.split(".")[0]
        if top in seen or name in seen:
            continue
        files = _module_files(name)
        seen.add(name if _is_namespace(_spec(top)) else top)
        for file, path in files.items():
            found[file] = path
            waiting.extend(_imported(file, path))
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


def _module_files(name: str) -> dict[str, Path]:
    """Source files of the module or the whole package of `name`, if it is the user's own."""
    parts = name.split(".")
    spec = _spec(parts[0])
    if spec is None:
        return {}
    if _is_namespace(spec):
        places = [Path(place).resolve() for place in spec.submodule_search_locations or ()]
        return next(filter(None, (_in_namespace(place, parts) for place in places)), {})
    if spec.origin is None or not spec.origin.endswith(".py"):
        return {}
    origin = Path(spec.origin).resolve()
    if _INSTALLED & set(origin.parts):
        return {}
    if spec.submodule_search_locations is None:
        return {origin.name: origin}
    return _package(origin.parent, origin.parent.parent)


def _spec(top: str) -> importlib.machinery.ModuleSpec | None:
    if top == "vqx" or top in sys.stdlib_module_names:
        return None
    return importlib.machinery.PathFinder.find_spec(top)


def _is_namespace(spec: importlib.machinery.ModuleSpec | None) -> bool:
    return spec is not None and spec.origin is None and bool(spec.submodule_search_locations)


def _in_namespace(place: Path, parts: Sequence[str]) -> dict[str, Path]:
    """What the dotted `parts` name below `place`, a folder without __init__.py: not all of it."""
    root = place.parent
    if _INSTALLED & set(place.parts):
        return {}
    for part in parts[1:]:
        place = place / part
        if (module := place.with_name(f"{part}.py")).is_file():
            return {str(module.relative_to(root)): module}
        if (place / "__init__.py").is_file():
            return _package(place, root)
    return {}


def _package(folder: Path, root: Path) -> dict[str, Path]:
    files = (path for path in sorted(folder.rglob("*.py")) if path.is_file())
    return {str(path.relative_to(root)): path for path in files}


def _imported(file: str, path: Path) -> Iterator[str]:
    """Dotted names that a source file, `file` under its root, imports anywhere in it."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return  # its run will say so
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            inside = Path(file).parts[: -node.level] if node.level else ()
            module = [*inside, *filter(None, [node.module])]
            yield from (".".join([*module, alias.name]) for alias in node.names)
