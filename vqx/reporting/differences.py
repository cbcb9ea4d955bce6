"""What two runs do not have in common: configuration, typed words, surroundings."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vqx.config import identity
from vqx.reporting.columns import ABSENT
from vqx.reporting.naming import Flat, Target, flat_nodes, value_text
from vqx.reporting.surroundings import sessions_of
from vqx.runs.reading import Run

# Packages that can change a number or its speed most, in order; the others by name.
_TELLING = ("torch", "torchvision", "numpy", "lpips", "torch-fidelity", "hydra-core", "omegaconf")
# Keys of environment.json that are compared in another way, or say the same as others.
_OTHERWISE = frozenset(
    ("command", "git", "own_code", "packages", "pid", "seed", "sessions", "started", "variables")
)
_FIRST = ("vqx", "code", "python", "device", "devices", "host", "cpu", "cores", "platform")


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that two runs have otherwise, as text; "-" for what one has not."""

    key: str
    a: str
    b: str


@dataclass(frozen=True, slots=True)
class Differences:
    """What differs, in order, and what is equal: each thing as text, or only how many."""

    different: tuple[Difference, ...]
    equal: tuple[tuple[str, str], ...]


def configuration(a: Run, b: Run) -> tuple[Differences, Differences]:
    """Dotted keys of two configurations: those that can change a number, and the others.

    To the former a null is as a key that is absent, and 1 as 1.0. What only repeats how a root key
    differs, as `quantizer.levels` does `levels`, is left out.
    """
    counting = {key for run in (a, b) for key in _values(identity(run.config))}
    first, second = (_values(run.config) for run in (a, b))
    keys = [key for key in dict.fromkeys([*first, *second]) if not _repeats(key, first, second)]
    return (
        _compared(first, second, [key for key in keys if key in counting]),
        _compared(first, second, [key for key in keys if key not in counting]),
    )


def _repeats(key: str, *sides: Flat) -> bool:
    """Whether `key` has the value of a root key of its name wherever it is."""
    root = key.rpartition(".")[2]
    having = [side for side in sides if key in side]
    return root != key and all(root in side and side[root] == side[key] for side in having)


def _values(config: Mapping[str, Any]) -> Flat:
    """Every value by its dotted key; a node's class has the key NODE._target_."""
    return {
        f"{key}._target_" if isinstance(value, Target) else key: value
        for key, value in flat_nodes(config).items()
        if value != "" or not isinstance(value, Target)
    }


def _compared(a: Mapping[str, Any], b: Mapping[str, Any], keys: Sequence[str]) -> Differences:
    texts = {
        key: tuple(_text(side[key]) if key in side else ABSENT for side in (a, b)) for key in keys
    }
    same = [key for key in keys if key in a and key in b and _plain(a[key]) == _plain(b[key])]
    different = [Difference(key, *texts[key]) for key in keys if key not in same]
    return Differences(tuple(different), tuple((key, texts[key][0]) for key in same))


def _text(value: Any) -> str:
    return "null" if value is None else value_text(value) or '""'


def _plain(value: Any) -> str:
    """Equal for values that a signature takes as equal."""

    def alike(node: Any) -> Any:
        if isinstance(node, list | tuple):
            return [alike(item) for item in node]
        return float(node) if isinstance(node, int) and not isinstance(node, bool) else node

    return json.dumps(alike(value), default=str)


def typed(a: Run, b: Run) -> Differences | str:
    """Words typed to start each run, by their keys; or whose cannot be read."""
    found = []
    for name, run in (("A", a), ("B", b)):
        words = _words(run)
        if words is None:
            return f"overrides.yaml of {name} cannot be read"
        found.append({word.partition("=")[0]: word.partition("=")[2] or word for word in words})
    return _compared(found[0], found[1], list(dict.fromkeys([*found[0], *found[1]])))


def _words(run: Run) -> list[str] | None:
    import yaml

    try:
        words = yaml.safe_load(run.folder.overrides.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None
    return [str(word) for word in words] if isinstance(words, list) else None


def environment(a: Run, b: Run) -> Differences:
    """Versions, code, machine: what all sessions of each run had, packages apart."""
    first, second = _surroundings(a), _surroundings(b)
    keys = list(dict.fromkeys([*_FIRST, *first, *second]))
    return _compared(first, second, [key for key in keys if key in first or key in second])


def packages(a: Run, b: Run) -> Differences:
    """Versions of installed packages, those first that tell most."""
    first, second = (_entries(run, "packages") for run in (a, b))
    keys = sorted({*first, *second}, key=str.lower)
    keys.sort(key=lambda key: _TELLING.index(key) if key in _TELLING else len(_TELLING))
    return _compared(first, second, keys)


def _surroundings(run: Run) -> dict[str, str]:
    """Everything else of environment.json; what sessions changed in their order."""
    sessions = sessions_of(run)
    plain = (key for session in sessions for key in session if key not in _OTHERWISE)
    found = {
        **{key: _then(_said(session, key) for session in sessions) for key in plain},
        "code": _then(_codes(run)),
        **{f"file {name}": text for name, text in _entries(run, "own_code").items()},
        **_entries(run, "variables"),
    }
    return {key: text for key, text in found.items() if text}


def _then(texts: Iterable[str]) -> str:
    """Each text once; "" of none."""
    return " then ".join(dict.fromkeys(filter(None, texts)))


def _said(session: Mapping[str, Any], key: str) -> str:
    return "" if session.get(key) is None else value_text(session[key])


def _entries(run: Run, name: str) -> dict[str, str]:
    """Entries of a dictionary in environment.json, over all sessions."""
    found = [group(session, name) for session in sessions_of(run)]
    names = {key: None for entries in found for key in entries}
    texts = {key: _then(_said(entries, key) for entries in found) for key in names}
    return {key: text for key, text in texts.items() if text}


def group(session: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A dictionary of environment.json; empty where there is none."""
    found = session.get(name)
    return found if isinstance(found, Mapping) else {}


def _codes(run: Run) -> Iterator[str]:
    """Commit and changes of each session; a later one has only what is not as before."""
    git: dict[str, Any] = {}
    for session in sessions_of(run):
        git = {**git, **group(session, "git")}
        if git.get("commit"):
            changes = f" with changes {git.get('diff_sha256')}" if git.get("dirty") else ""
            yield f"{str(git['commit'])[:10]}{changes}"
        else:
            yield str(git.get("reason") or "")
