"""Short names for runs, from what differs between them.

Runs of a quantizer in conf/ are of its family: they are called by its name, and what its file
says goes without saying.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vqx.reporting.columns import ABSENT
from vqx.reporting.naming import (
    Choice,
    Flat,
    Target,
    choice_name,
    family_of,
    value_text,
    with_choices,
)


@dataclass(frozen=True, slots=True)
class Names:
    """Labels of runs in their order, what the labels are values of, and all that differs.

    `unsaid`: what holds for every run whose label does not say otherwise. `common`: what all runs
    that have it share, though their quantizers' files say another.
    """

    heading: str
    labels: list[str]
    varying: list[dict[str, str]]
    unsaid: dict[str, str]
    common: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Named:
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


def name_runs(flats: Sequence[Flat]) -> Names:
    """Name runs by what differs between them, and by nothing they share.

    A key counts only among runs whose surrounding choices agree, or whose families' files have it:
    that FSQ has no EMA decay is said by `fsq`. With several keys, a family's own values are left
    unsaid, and of what has none the values of most runs, so that a run which differs from the
    others in one thing is named by that thing.
    """
    runs = _of_families(flats)
    keys = _varying_keys(runs)
    shared = _shared_keys(runs, keys)
    short = _short_keys([*keys, *shared])
    texts = _texts(runs, keys, short)
    common = {short[key]: _shared_text(key, runs) for key in shared}
    if not keys:
        name = choice_name("quantizer", flats[0]) if flats else ""
        labels = [name or "all"] * len(flats)
        return Names("quantizer" if name else "run", labels, texts, {}, common)
    if len(keys) == 1:
        only = short[keys[0]]
        return Names(only, [text.get(only, ABSENT) for text in texts], texts, {}, common)
    unsaid = _unsaid(runs, texts, short)
    labels = [_label(text, own) for text, own in zip(texts, unsaid, strict=True)]
    heading = "quantizer" if keys[0] == "quantizer" else "run"
    wired = [{short[key] for key in run.wiring if key in short} for run in runs]
    own = [{k: v for k, v in u.items() if k not in w} for u, w in zip(unsaid, wired, strict=True)]
    return Names(heading, labels, texts, _summary(texts, own), common)


def _of_families(flats: Sequence[Flat]) -> list[_Named]:
    """Runs under the names of their families."""
    families = [family_of(flat) for flat in flats]
    values = [
        flat if family is None else {**flat, "quantizer": Choice(family.name)}
        for flat, family in zip(flats, families, strict=True)
    ]
    return [
        _Named(shown, family.defaults, family.wiring)
        if family is not None
        else _Named(shown, {}, frozenset())
        for shown, family in zip(with_choices(values), families, strict=True)
    ]


def _label(texts: Mapping[str, str], unsaid: Mapping[str, str]) -> str:
    said = {key: value for key, value in texts.items() if unsaid.get(key) != value}
    words = (value if key == "quantizer" else f"{key}={value}" for key, value in said.items())
    return " ".join(words) or "baseline"


def _unsaid(
    runs: Sequence[_Named], texts: Sequence[Mapping[str, str]], short: Mapping[str, str]
) -> list[dict[str, str]]:
    """For each run what its label may leave out: its family's values, else those of most runs."""
    defaults = [
        {short[key]: value_text(run.defaults[key]) for key in short if key in run.defaults}
        for run in runs
    ]
    others = [
        {key: value for key, value in text.items() if key not in own}
        for text, own in zip(texts, defaults, strict=True)
    ]
    usual = _usual(others)
    return [{**usual, **own} for own in defaults]


def _usual(texts: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Values, but of the quantizer, that more than half of the different runs with the key have."""
    different = [dict(items) for items in dict.fromkeys(tuple(t.items()) for t in texts)]
    usual = {}
    for key in {key: None for text in different for key in text if key != "quantizer"}:
        counts = Counter(text[key] for text in different if key in text)
        value, count = counts.most_common(1)[0]
        if count > 1 and 2 * count > counts.total():
            usual[key] = value
    return usual


def _summary(
    texts: Sequence[Mapping[str, str]], unsaid: Sequence[Mapping[str, str]]
) -> dict[str, str]:
    """What labels leave out, each key once: values that differ by family with their families."""
    summary = {}
    for key in {key: None for text in texts for key in text if key != "quantizer"}:
        left: dict[str, dict[str, None]] = {}
        for text, own in zip(texts, unsaid, strict=True):
            if key in text and own.get(key) == text[key]:
                left.setdefault(text[key], {})[text.get("quantizer", "others")] = None
        if len(left) == 1:
            owners = [t.get("quantizer", "") if key in t else None for t in texts]
            summary[key] = next(iter(left)) + _owned(owners)
        elif left:
            summary[key] = " or ".join(f"{value} ({', '.join(of)})" for value, of in left.items())
    return summary


def _owned(owners: Sequence[str | None]) -> str:
    """Whose a knob is, given each run's quantizer or None for a run without it; "": everyone's."""
    if None not in owners:
        return ""
    named = list(dict.fromkeys(owner for owner in owners if owner is not None))
    return f" ({', '.join(named)})" if len(named) <= 2 and all(named) else " (if any)"


def _shared_keys(runs: Sequence[_Named], varying: Sequence[str]) -> list[str]:
    """Knobs that have one value in all runs that have them, but not that of every family's file."""
    known = {key: None for run in runs for key in run.values if key in run.defaults}
    return [
        key
        for key in known
        if key not in varying
        and any(run.is_changed(key) for run in runs)
        and len({value_text(run.values[key]) for run in runs if key in run.values}) == 1
    ]


def _shared_text(key: str, runs: Sequence[_Named]) -> str:
    owners = [_text("quantizer", run.values) if key in run.values else None for run in runs]
    first = next(run for run in runs if key in run.values)
    return value_text(first.values[key]) + _owned(owners)


def _texts(
    runs: Sequence[_Named], keys: Sequence[str], short: Mapping[str, str]
) -> list[dict[str, str]]:
    """For each run short key -> text of what differs, without keys of no meaning in that run."""
    flats = [
        {**{key: run.defaults[key] for key in keys if key in run.wiring}, **run.values}
        for run in runs
    ]
    meant = {key: {_context(key, flat) for flat in flats if key in flat} for key in keys}
    return [
        {
            short[key]: _text(key, flat)
            for key in keys
            if key in flat or (not _is_knob(key) and _context(key, flat) in meant[key])
        }
        for flat in flats
    ]


def _is_knob(key: str) -> bool:
    """Whether `key` is one of the quantizer's or at the root: a run without it has no such knob."""
    return "." not in key or key.startswith("quantizer.")


def _text(key: str, flat: Flat) -> str:
    value = flat.get(key)
    return choice_name(key, flat) if isinstance(value, Target) else value_text(value)


def _varying_keys(runs: Sequence[_Named]) -> list[str]:
    """Keys that differ between runs: the quantizer, its knobs (root keys and its own), the rest."""
    order = {
        key: isinstance(run.values[key], Choice | Target) for run in runs for key in run.values
    }
    varying = [key for key in order if _varies(key, runs)]

    def rank(key: str) -> int:
        if "." in key:
            return 2 if key.startswith("quantizer.") else 3
        return 0 if key == "quantizer" else 3 if order[key] else 1

    return sorted(varying, key=rank)


def _varies(key: str, runs: Sequence[_Named]) -> bool:
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
        if seen.setdefault(_context(key, run.values), text) != text:
            return True
    return False


def _context(key: str, flat: Flat) -> tuple[Any, ...]:
    """The choices that surround `key`: with others, the key would mean something else."""
    parts = key.split(".")
    if len(parts) == 1:  # knobs at the root come with the quantizer; choices stand alone
        return () if key == "quantizer" else (flat.get("quantizer"),)
    return tuple(flat.get(".".join(parts[:depth])) for depth in range(1, len(parts)))


def _short_keys(keys: Iterable[str]) -> dict[str, str]:
    """The shortest endings that tell `keys` apart; below a group's entry with the entry's name."""
    keys = list(keys)
    short = {}
    for key in keys:
        parts = key.split(".")
        length = 1 if len(parts) <= 2 else 2
        while length < len(parts) and any(
            other != key and f".{other}".endswith("." + ".".join(parts[-length:])) for other in keys
        ):
            length += 1
        short[key] = ".".join(parts[-length:])
    return short
