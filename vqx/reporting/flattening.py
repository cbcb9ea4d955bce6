"""Configurations as flat rows of what can change a run's numbers, many at a time.

Runs that were read together share the parts of their configurations that are equal
(`vqx.runs.reading`): each part is looked at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vqx.config import NOT_IDENTITY, identity
from vqx.reporting.naming import Flat, flat_nodes

_WIRING = ("_convert_", "_recursive_", "_partial_")
_REPEATED = ("seed", "data.dataset")  # folded, or said by the data set's own name


@dataclass(frozen=True, slots=True, eq=False)
class Flattened:
    """A configuration without its seed; equal ones of one Flattener are one object.

    `flat`: dotted keys of what can change a run's numbers. `knobs`: what names a run: `flat`, in
    the order of its configuration, with the quantizer's null knobs. They are no part of a run's
    identity, but a knob set to null is not one that there is not.
    """

    flat: Flat
    knobs: Flat


@dataclass(frozen=True, slots=True)
class _Part:
    """A key at the root with all below it; `value` keeps the object by whose id it is found.

    `kept`: its part of the run's identity, {} for none. `leaves`: its dotted keys by their last
    name. `places`: keys of absolute paths.
    """

    value: object
    kept: Mapping[str, Any]
    flat: Flat
    knobs: Flat
    leaves: Mapping[str, Sequence[str]]
    places: Mapping[str, str]


class Flattener:
    """Flattens configurations, which must not change while it is in use."""

    def __init__(self) -> None:
        self._parts: dict[tuple[str, object], _Part] = {}
        self._called: dict[tuple[int, tuple[str, ...]], list[str]] = {}
        self._joined: dict[tuple[object, ...], Flattened] = {}
        # By the ids of all values but the seed, which the values kept beside it keep from reuse.
        self._met: dict[tuple[object, ...], tuple[object, Flattened]] = {}

    def of(self, config: Mapping[str, Any]) -> Flattened:
        """The flat form of `config`.

        Left out are repetitions: `quantizer.levels` equal to a root key `levels` is wiring. So are
        values that hold a place (the cache folder): they differ between machines.
        """
        keys, ids = tuple(config), list(map(id, config.values()))
        if _has_seed(config):
            ids[keys.index("seed")] = 0
        met = self._met.get((keys, *ids))
        if met is not None:
            return met[1]
        parts = [
            self._part(key, value)
            for key, value in config.items()
            if key != "seed" or not _has_seed(config)
        ]
        named = any("seed" in part.leaves for part in parts)  # one may repeat the run's seed
        key = (*map(id, parts), repr(config.get("seed")) if named else "")
        found = self._joined.get(key)
        if found is None:
            found = self._joined[key] = self._flattened(config, parts)
        if not named:
            self._met[keys, *ids] = tuple(config.values()), found
        return found

    def _part(self, key: str, value: Any) -> _Part:
        token = value if isinstance(value, str) else id(value)
        found = self._parts.get((key, token))
        if found is None:
            found = self._parts[key, token] = _part(key, value)
        return found

    def _flattened(self, config: Mapping[str, Any], parts: Sequence[_Part]) -> Flattened:
        kept: dict[str, Any] = {"seed": config["seed"]} if _has_seed(config) else {}
        flat: Flat = {}
        knobs: Flat = {}
        for part in parts:
            kept.update(part.kept)
            flat.update(part.flat)
            knobs.update(part.knobs)
        homes = [Path(str(config[key])) for key in ("results", "cache_dir") if config.get(key)]
        wired = {n for n in self._wired(parts, kept) if kept[n.rpartition(".")[2]] == flat[n]}
        for name in wired.union(*(_within(part, homes) for part in parts if part.places)):
            del flat[name], knobs[name]
        nulls = {key for key, value in knobs.items() if value is None}
        root = {key for key in nulls if "." not in key}
        for name in nulls - root:
            if name.rpartition(".")[2] in root:
                del knobs[name]
        return Flattened(flat, knobs)

    def _wired(self, parts: Sequence[_Part], kept: Mapping[str, Any]) -> Iterator[str]:
        """Keys that are called as one at the root is."""
        root = tuple(kept)
        for part in parts:
            found = self._called.get((id(part), root))
            if found is None:
                same = part.leaves.keys() & kept.keys()
                found = self._called[id(part), root] = [n for s in same for n in part.leaves[s]]
            yield from found


def _has_seed(config: Mapping[str, Any]) -> bool:
    seed = config.get("seed")
    return seed is not None and not isinstance(seed, Mapping)


def _within(part: _Part, homes: Sequence[Path]) -> list[str]:
    """The keys of a part that hold a place in one of `homes`."""
    return [
        name
        for name, text in part.places.items()
        if any(home.is_absolute() and Path(text).is_relative_to(home) for home in homes)
    ]


def _part(key: str, value: Any) -> _Part:
    kept = identity({key: value})
    flat = {
        name: text
        for name, text in flat_nodes(kept).items()
        if name.rpartition(".")[2] not in _WIRING and name not in _REPEATED
    }
    knobs = {
        name: text
        for name, text in flat_nodes({key: value}).items()
        if name in flat or (text is None and name not in NOT_IDENTITY and _is_knob(name))
    }
    leaves: dict[str, list[str]] = {}
    for name in flat:
        if "." in name:
            leaves.setdefault(name.rpartition(".")[2], []).append(name)
    places = {n: t for n, t in flat.items() if isinstance(t, str) and t.startswith("/")}
    return _Part(value, kept, flat, knobs, leaves, places)


def _is_knob(key: str) -> bool:
    return "." not in key or key.startswith("quantizer.")
