"""Runs as flat rows, grouped by all that can change a number but the seed."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vqx.config import NOT_IDENTITY, identity
from vqx.reporting.labels import name_runs
from vqx.reporting.naming import Flat, flat_nodes
from vqx.runs.reading import Run
from vqx.runs.status import State

_WIRING = ("_convert_", "_recursive_", "_partial_")
_REPEATED = ("seed", "data.dataset")  # folded, or said by the data set's own name


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table: runs that differ in nothing but their seed, in order of it."""

    label: str
    runs: tuple[Run, ...]
    varying: dict[str, str]  # what differs from other rows, key -> text

    @property
    def results(self) -> list[dict[str, Any]]:
        """Results of the runs that have one."""
        return [run.result for run in self.runs if run.result is not None]

    @property
    def discrete(self) -> bool | None:
        """Whether all runs were trained on codes; None without results."""
        return all(map(is_discrete, self.results)) if self.results else None


@dataclass(frozen=True, slots=True)
class Frame:
    """Rows in natural order of their labels; `heading` says what the labels are values of.

    `unsaid`: what holds for every row whose label does not say otherwise. `common`: what all rows
    share of their quantizers' knobs, where it is not what conf/ says.
    """

    heading: str
    rows: tuple[Row, ...]
    unsaid: dict[str, str]
    common: dict[str, str] = field(default_factory=dict)

    @property
    def runs(self) -> list[Run]:
        """All runs, row by row."""
        return [run for row in self.rows for run in row.runs]


def seed_of(run: Run) -> int | None:
    """The run's seed, None where its configuration has none."""
    seed = run.config.get("seed")
    return seed if isinstance(seed, int) else None


def state_word(run: Run) -> str:
    """The run's state; `missing` for one that nobody has started or queued."""
    unknown = run.state == State.QUEUED and run.status is None
    return "missing" if unknown else run.state.value


def is_discrete(result: Mapping[str, Any]) -> bool:
    """Whether a result.json is of a model that was trained on codes."""
    return (result.get("model") or {}).get("discrete") is not False


def flatten(config: Mapping[str, Any]) -> Flat:
    """Dotted keys of what can change a run's numbers, without the seed.

    Left out are repetitions: `quantizer.levels` equal to a root key `levels` is wiring. So are
    values that hold a place (the cache folder): they differ between machines.
    """
    kept = identity(config)
    places = [Path(str(config[key])) for key in ("results", "cache_dir") if config.get(key)]
    flat = flat_nodes(kept)
    for key, value in list(flat.items()):
        parent, _, leaf = key.rpartition(".")
        repeated = parent and leaf in kept and kept[leaf] == value
        if repeated or _is_within(value, places) or leaf in _WIRING or key in _REPEATED:
            del flat[key]
    return flat


def knobs_of(config: Mapping[str, Any], flat: Flat) -> Flat:
    """What names a run: `flat`, in the order of its configuration, with the quantizer's null knobs.

    They are no part of a run's identity, but a knob set to null is not one that there is not.
    """
    knobs = {
        key: value
        for key, value in flat_nodes(config).items()
        if key in flat or (value is None and key not in NOT_IDENTITY and _is_knob(key))
    }
    root = {key for key, value in knobs.items() if "." not in key and value is None}
    return {
        key: value
        for key, value in knobs.items()
        if value is not None or key in root or key.rpartition(".")[2] not in root
    }


def _is_knob(key: str) -> bool:
    return "." not in key or key.startswith("quantizer.")


def _is_within(value: object, places: Sequence[Path]) -> bool:
    """Whether `value` is an absolute path in one of `places`."""
    if not isinstance(value, str) or not value.startswith("/"):
        return False
    return any(place.is_absolute() and Path(value).is_relative_to(place) for place in places)


def build_frame(
    runs: Sequence[Run], *, separate_seeds: bool = False, in_order: bool = False
) -> Frame:
    """Group `runs` into labelled rows; runs share a row when they differ in the seed alone.

    `in_order`: rows as their first runs come, not by label.
    """
    flats = [flatten(run.config) for run in runs]
    names = name_runs([knobs_of(run.config, flat) for run, flat in zip(runs, flats, strict=True)])
    groups: dict[str, list[int]] = {}
    for index, (run, flat) in enumerate(zip(runs, flats, strict=True)):
        key = json.dumps(flat, sort_keys=True, default=str)
        groups.setdefault(f"{key} {run.signature}" if separate_seeds else key, []).append(index)
    rows = []
    for members in groups.values():
        first = members[0]
        label = names.labels[first]
        if separate_seeds:
            label = f"{label} seed={seed_of(runs[first])}"
        members.sort(key=lambda i: (seed_of(runs[i]) is None, seed_of(runs[i]) or 0))
        rows.append(Row(label, tuple(runs[i] for i in members), names.varying[first]))
    ordered = _distinct(rows)
    if not in_order:
        ordered.sort(key=lambda row: natural(row.label))
    return Frame(names.heading, tuple(ordered), names.unsaid, names.common)


def _distinct(rows: list[Row]) -> list[Row]:
    """Rows with a signature added to labels that two of them share: none may pass for another."""
    labels = [row.label for row in rows]
    return [
        Row(f"{row.label} ({row.runs[0].signature})", row.runs, row.varying)
        if labels.count(row.label) > 1
        else row
        for row in rows
    ]


def natural(text: str) -> list[tuple[int, float, str]]:
    """Sort key in which 8 comes before 16."""
    parts = re.split(r"(\d+(?:\.\d+)?)", text)
    return [(0, float(p), "") if i % 2 else (1, 0.0, p) for i, p in enumerate(parts)]
