"""Runs as flat rows, grouped by all that can change a number but the seed."""

import json
import re
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vqx.reporting.flattening import Flattener
from vqx.reporting.labels import name_runs
from vqx.reporting.naming import Flat, constant_keys
from vqx.runs.reading import Run
from vqx.runs.status import State


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table: runs that differ in nothing but their seed, in order of it.

    `memory` is for what is worked out of the runs more than once.
    """

    label: str
    runs: tuple[Run, ...]
    varying: dict[str, str]  # what differs from other rows, key -> text
    memory: dict[object, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def results(self) -> list[dict[str, Any]]:
        """Results of the runs that have one."""
        found: list[dict[str, Any]] | None = self.memory.get("results")
        if found is None:
            found = [run.result for run in self.runs if run.result is not None]
            self.memory["results"] = found
        return found

    @property
    def discrete(self) -> bool | None:
        """Whether all runs were trained on codes; None without results."""
        return all(map(is_discrete, self.results)) if self.results else None


@dataclass(frozen=True, slots=True)
class Frame:
    """Rows in natural order of their labels; `heading` says what the labels are values of.

    `unsaid`: what holds for every row whose label does not say otherwise. `common`: what all rows
    share of their quantizers' knobs, where it is not what conf/ says. `copies`: runs left out as
    the same configuration and seed as another, each with that one.
    """

    heading: str
    rows: tuple[Row, ...]
    unsaid: dict[str, str]
    common: dict[str, str] = field(default_factory=dict)
    copies: tuple[tuple[Run, Run], ...] = ()

    @property
    def runs(self) -> list[Run]:
        """All runs, row by row."""
        return [run for row in self.rows for run in row.runs]


def seed_of(run: Run) -> int | None:
    """The run's seed, None where its configuration has none."""
    seed = run.config.get("seed")
    return seed if isinstance(seed, int) else None


def state_word(run: Run) -> str:
    """The run's state; `missing` for one that nobody has started or queued.

    `stale`: it says that it is running, but its process has been silent for too long.
    """
    if run.state == State.QUEUED and run.status is None:
        return "missing"
    return "stale" if run.is_silent else run.state.value


def is_discrete(result: Mapping[str, Any]) -> bool:
    """Whether a result.json is of a model that was trained on codes."""
    return (result.get("model") or {}).get("discrete") is not False


def flatten(config: Mapping[str, Any]) -> Flat:
    """Dotted keys of what can change a run's numbers; a Flattener does it for many runs."""
    return Flattener().of(config).flat


def knobs_of(config: Mapping[str, Any]) -> Flat:
    """What names a run: see `Flattened`."""
    return Flattener().of(config).knobs


def build_frame(
    runs: Sequence[Run], *, separate_seeds: bool = False, in_order: bool = False
) -> Frame:
    """Group `runs` into labelled rows; runs share a row when they differ in the seed alone.

    `in_order`: rows as their first runs come, not by label.
    """
    flattener = Flattener()
    found = [flattener.of(run.config) for run in runs]
    distinct = list(dict.fromkeys(found))
    names = name_runs([each.knobs for each in distinct])
    places = {each: place for place, each in enumerate(distinct)}
    fixed = constant_keys([each.flat for each in distinct])
    keys = {each: _identity(each.flat, but=fixed) for each in distinct}
    groups: dict[str, list[int]] = {}
    for index, (run, flat) in enumerate(zip(runs, found, strict=True)):
        key = f"{keys[flat]} {seed_of(run)}" if separate_seeds else keys[flat]
        groups.setdefault(key, []).append(index)
    rows = []
    copies: list[tuple[Run, Run]] = []
    for group in groups.values():
        members = _once(group, runs, copies)
        first = members[0]
        label = names.labels[places[found[first]]]
        if separate_seeds:
            label = f"{label} seed={seed_of(runs[first])}"
        members.sort(key=lambda i: (seed_of(runs[i]) is None, seed_of(runs[i]) or 0))
        varying = names.varying[places[found[first]]]
        rows.append(Row(label, tuple(runs[i] for i in members), varying))
    ordered = _distinct(rows)
    if not in_order:
        ordered.sort(key=lambda row: natural(row.label))
    return Frame(names.heading, tuple(ordered), names.unsaid, names.common, tuple(copies))


def _once(group: Sequence[int], runs: Sequence[Run], copies: list[tuple[Run, Run]]) -> list[int]:
    """A run of each seed, one with a result if there is one; the others are noted as `copies`.

    They differ in nothing that can change a number: counted twice, a seed would pass for two.
    """
    kept: dict[int | None, int] = {}
    for index in group:
        seed = seed_of(runs[index])
        other = kept.setdefault(seed, index)
        if other != index:
            better = _worth(runs[index]) > _worth(runs[other])
            kept[seed], left = (index, other) if better else (other, index)
            copies.append((runs[left], runs[kept[seed]]))
    return list(kept.values())


def _worth(run: Run) -> tuple[bool, bool]:
    """Of two copies the one with a result counts, then the one whose name is the run's own."""
    result = run.result or {}
    own = str(result.get("signature", "none"))
    return run.result is not None, run.folder.path.name.endswith(own)


def _identity(flat: Flat, *, but: Container[str]) -> str:
    """All that can change a run's numbers, `but` keys that all runs have with one value."""
    left = {key: value for key, value in flat.items() if key not in but}
    return json.dumps(left, sort_keys=True, default=str)


def _distinct(rows: list[Row]) -> list[Row]:
    """Rows with a signature added to labels that two of them share: none may pass for another."""
    labels = Counter(row.label for row in rows)
    return [
        Row(f"{row.label} ({row.runs[0].signature})", row.runs, row.varying)
        if labels[row.label] > 1
        else row
        for row in rows
    ]


def natural(text: str) -> list[tuple[int, float, str]]:
    """Sort key in which 8 comes before 16."""
    parts = re.split(r"(\d+(?:\.\d+)?)", text)
    return [(0, float(p), "") if i % 2 else (1, 0.0, p) for i, p in enumerate(parts)]
