"""Which keys differ between runs, where they mean the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vqx.reporting.naming import Choice, Flat, Target, constant_keys

NO_DEFAULTS: Flat = {}


@dataclass(frozen=True, slots=True)
class Named:
    """What a run can be named by, and what its family's file says of that; {} without a family.

    `wiring`: keys that read a root knob, with no value of their own unless that was changed.
    """

    values: Flat
    defaults: Flat
    wiring: frozenset[str]

    def is_default(self, key: str) -> bool:
        """Whether the run has `key` at its family's value."""
        return self._has_default(key) and self.values[key] == self.defaults[key]

    def is_changed(self, key: str) -> bool:
        """Whether the run has `key` at another value than its family's."""
        return self._has_default(key) and self.values[key] != self.defaults[key]

    def _has_default(self, key: str) -> bool:
        return key in self.values and key in self.defaults


def is_knob(key: str) -> bool:
    """Whether `key` is one of the quantizer's or at the root: a run without it has no such knob."""
    return "." not in key or key.startswith("quantizer.")


def varying_keys(runs: Sequence[Named]) -> list[str]:
    """Keys that differ between runs: the quantizer, its knobs (root keys and its own), the rest."""
    layouts = dict.fromkeys(tuple(run.values) for run in runs)
    telling = _Telling(runs)
    keys = {key: None for layout in layouts for key in layout}
    varying = [key for key in keys if _varies(key, telling.of(key))]

    def rank(key: str) -> int:
        if "." in key:
            return 2 if key.startswith("quantizer.") else 3
        values = (run.values.get(key) for run in runs)
        is_group = any(isinstance(value, Choice | Target) for value in values)
        return 0 if key == "quantizer" else 3 if is_group else 1

    return sorted(varying, key=rank)


class _Telling:
    """For a key the runs among which it varies if it does at all: no two that are alike to it.

    To a knob all of the quantizer and of the root counts, to another key what its group holds.
    """

    def __init__(self, runs: Sequence[Named]) -> None:
        self._runs = runs
        self._fixed = constant_keys([run.values for run in runs])
        self._of_families = {key for run in runs for key in run.defaults}
        self._found: dict[tuple[str, bool], list[Named]] = {}

    def of(self, key: str) -> list[Named]:
        """The first of all runs that are alike to `key`; none where all have it alike."""
        by_family = key in self._of_families
        if key in self._fixed and not by_family:
            return []
        group = "quantizer" if is_knob(key) else key.partition(".")[0]
        if (group, by_family) not in self._found:
            self._found[group, by_family] = self._distinct(group, by_family=by_family)
        return self._found[group, by_family]

    def _distinct(self, group: str, *, by_family: bool) -> list[Named]:
        counting = {
            layout: [k for k in layout if k not in self._fixed and _counts(k, group)]
            for layout in {tuple(run.values) for run in self._runs}
        }
        distinct: dict[object, Named] = {}
        for run in self._runs:
            keys = counting[tuple(run.values)]
            family = id(run.defaults) if by_family else 0
            values = tuple([repr(run.values[key]) for key in keys])
            distinct.setdefault((family, tuple(keys), values), run)
        return list(distinct.values())


def _counts(key: str, group: str) -> bool:
    """Whether `key` is of what counts to keys of `group`."""
    return key.partition(".")[0] == group or (group == "quantizer" and is_knob(key))


def _varies(key: str, runs: Sequence[Named]) -> bool:
    """Whether runs differ in `key` where it means the same; lacking it differs from any value.

    Root keys are knobs that quantizers share, and so are keys of families: they are compared across
    them, and differ when some run has a value that its family's file does not say, but not all.
    """
    across = [r for r in runs if key in r.values and ("." not in key or key in r.defaults)]
    differ = len({repr(run.values[key]) for run in across}) > 1
    usual = [run.is_default(key) for run in across]
    if (differ and not all(usual)) or (any(usual) and any(r.is_changed(key) for r in across)):
        return True
    seen: dict[tuple[Any, ...], str] = {}
    for run in runs:
        text = repr(run.values.get(key))
        if seen.setdefault(context(key, run.values), text) != text:
            return True
    return False


def context(key: str, flat: Flat) -> tuple[Any, ...]:
    """The choices that surround `key`: with others, the key would mean something else."""
    parts = key.split(".")
    if len(parts) == 1:  # knobs at the root come with the quantizer; choices stand alone
        return () if key == "quantizer" else (flat.get("quantizer"),)
    around = (flat.get(".".join(parts[:depth])) for depth in range(1, len(parts)))
    return tuple(value if isinstance(value, str) else repr(value) for value in around)
