"""Short names for runs, from what differs between them.

Runs of a quantizer in conf/ are of its family: they are called by its name, and what its file
says goes without saying.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from vqx.reporting.columns import ABSENT
from vqx.reporting.naming import (
    Choice,
    Flat,
    Target,
    choice_name,
    families_of,
    value_text,
    with_choices,
)
from vqx.reporting.varying import NO_DEFAULTS, Named, context, is_knob, varying_keys


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


def name_runs(flats: Sequence[Flat]) -> Names:
    """Name runs by what differs between them, and by nothing they share.

    A key counts only among runs whose surrounding choices agree, or whose families' files have it:
    that FSQ has no EMA decay is said by `fsq`. With several keys, a family's own values are left
    unsaid, and of what has none the values of most runs, so that a run which differs from the
    others in one thing is named by that thing.
    """
    runs = _of_families(flats)
    keys = varying_keys(runs)
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


def _of_families(flats: Sequence[Flat]) -> list[Named]:
    """Runs under the names of their families."""
    families = families_of(flats)
    values = [
        flat if family is None else {**flat, "quantizer": Choice(family.name)}
        for flat, family in zip(flats, families, strict=True)
    ]
    return [
        Named(shown, family.defaults, family.wiring)
        if family is not None
        else Named(shown, NO_DEFAULTS, frozenset())
        for shown, family in zip(with_choices(values), families, strict=True)
    ]


def _label(texts: Mapping[str, str], unsaid: Mapping[str, str]) -> str:
    said = {key: value for key, value in texts.items() if unsaid.get(key) != value}
    words = (value if key == "quantizer" else f"{key}={value}" for key, value in said.items())
    return " ".join(words) or "baseline"


def _unsaid(
    runs: Sequence[Named], texts: Sequence[Mapping[str, str]], short: Mapping[str, str]
) -> list[dict[str, str]]:
    """For each run what its label may leave out: its family's values, else those of most runs."""
    by_family = {id(run.defaults): run.defaults for run in runs}
    told = {
        family: {short[key]: value_text(values[key]) for key in short if key in values}
        for family, values in by_family.items()
    }
    defaults = [told[id(run.defaults)] for run in runs]
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


def _shared_keys(runs: Sequence[Named], varying: Sequence[str]) -> list[str]:
    """Knobs that have one value in all runs that have them, but not that of every family's file."""
    layouts = {(id(run.defaults), *run.values): run for run in runs}
    known = {key: None for run in layouts.values() for key in run.values if key in run.defaults}
    return [
        key
        for key in known
        if key not in varying
        and any(run.is_changed(key) for run in runs)
        and len({value_text(run.values[key]) for run in runs if key in run.values}) == 1
    ]


def _shared_text(key: str, runs: Sequence[Named]) -> str:
    owners = [_text("quantizer", run.values) if key in run.values else None for run in runs]
    first = next(run for run in runs if key in run.values)
    return value_text(first.values[key]) + _owned(owners)


def _texts(
    runs: Sequence[Named], keys: Sequence[str], short: Mapping[str, str]
) -> list[dict[str, str]]:
    """For each run short key -> text of what differs, without keys of no meaning in that run."""
    flats = [
        {**{key: run.defaults[key] for key in keys if key in run.wiring}, **run.values}
        for run in runs
    ]
    meant = {key: {context(key, flat) for flat in flats if key in flat} for key in keys}
    return [
        {
            short[key]: _text(key, flat)
            for key in keys
            if key in flat or (not is_knob(key) and context(key, flat) in meant[key])
        }
        for flat in flats
    ]


def _text(key: str, flat: Flat) -> str:
    value = flat.get(key)
    return choice_name(key, flat) if isinstance(value, Target) else value_text(value)


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
