"""Short names for runs, from what differs between them."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from vqx.config import conf_dir, identity
from vqx.errors import ConfigError

# Dotted key -> value; a node's own key holds a Target.
Flat = dict[str, Any]


class Target(str):
    """What a node of the configuration instantiates; empty for a plain dictionary."""

    __slots__ = ()


class Choice(str):
    """The name of a file in conf/ that says all of a group."""

    __slots__ = ()


def flat_nodes(config: Mapping[str, Any]) -> Flat:
    """Every key of a nested configuration, dotted, in its order; lists are values."""
    flat: Flat = {}
    _flatten_into(flat, "", config)
    return flat


def _flatten_into(flat: Flat, prefix: str, node: Mapping[str, Any]) -> None:
    for name, value in node.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            flat[key] = Target(value.get("_target_", ""))
            _flatten_into(flat, f"{key}.", value)
        elif name != "_target_":
            flat[key] = value


def value_text(value: Any) -> str:
    """A value as it is typed on the command line, lists without brackets."""
    if isinstance(value, list | tuple):
        return ",".join(map(value_text, value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return json.dumps(value)
    return "none" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Names:
    """Labels of runs in their order, what the labels are values of, and all that differs.

    `unsaid`: what holds for every run whose label does not say otherwise.
    """

    heading: str
    labels: list[str]
    varying: list[dict[str, str]]
    unsaid: dict[str, str]


def name_runs(flats: Sequence[Flat]) -> Names:
    """Name runs by what differs between them, and by nothing they share.

    A key counts only among runs whose surrounding choices agree: that FSQ has no EMA decay is said
    by `fsq`. With several keys, values of most runs are left unsaid, so that a run which differs
    from the others in one thing is named by that thing.
    """
    shown = _with_choices(flats)
    keys = _varying_keys(shown)
    texts = _texts(shown, keys)
    if not keys:
        name = choice_name("quantizer", flats[0]) if flats else ""
        return Names("quantizer" if name else "run", [name or "all"] * len(flats), texts, {})
    if len(keys) == 1:
        (only,) = _short_keys(keys).values()
        return Names(only, [text.get(only, "none") for text in texts], texts, {})
    unsaid = _usual(texts)
    heading = "quantizer" if keys[0] == "quantizer" else "run"
    return Names(heading, [_label(text, unsaid) for text in texts], texts, unsaid)


def _label(texts: Mapping[str, str], unsaid: Mapping[str, str]) -> str:
    said = {key: value for key, value in texts.items() if unsaid.get(key) != value}
    words = (value if key == "quantizer" else f"{key}={value}" for key, value in said.items())
    return " ".join(words) or "baseline"


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


def _texts(flats: Sequence[Flat], keys: Sequence[str]) -> list[dict[str, str]]:
    """For each run short key -> text of what differs, without keys of no meaning in that run."""
    short = _short_keys(keys)
    meant = {key: {_context(key, flat) for flat in flats if key in flat} for key in keys}
    return [
        {
            short[key]: _text(key, flat)
            for key in keys
            if key in flat or _context(key, flat) in meant[key]
        }
        for flat in flats
    ]


def _text(key: str, flat: Flat) -> str:
    value = flat.get(key)
    return choice_name(key, flat) if isinstance(value, Target) else value_text(value)


def _varying_keys(flats: Sequence[Flat]) -> list[str]:
    """Keys that differ between runs: the quantizer, its knobs (root keys and its own), the rest."""
    order = {key: isinstance(flat[key], Choice | Target) for flat in flats for key in flat}
    varying = [key for key in order if _varies(key, flats)]

    def rank(key: str) -> int:
        if "." in key:
            return 2 if key.startswith("quantizer.") else 3
        return 0 if key == "quantizer" else 3 if order[key] else 1

    return sorted(varying, key=rank)


def _varies(key: str, flats: Sequence[Flat]) -> bool:
    """Whether runs differ in `key` where it means the same; lacking it differs from any value."""
    if "." not in key and len({repr(flat[key]) for flat in flats if key in flat}) > 1:
        return True  # root keys are knobs that quantizers share: they are compared across them
    seen: dict[tuple[Any, ...], str] = {}
    for flat in flats:
        text = repr(flat.get(key))
        if seen.setdefault(_context(key, flat), text) != text:
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


def choice_name(key: str, flat: Flat) -> str:
    """What the node `key` is called: its choice in conf/, its `name`, or its class."""
    node = _subtree(key, flat)
    if not node:
        return ""
    if name := flat.get(f"{key}.name"):
        return str(name)
    if choice := _exact_choice(key, node):
        return choice
    target = str(flat[key])
    same = [name for name, choice in _choices(key).items() if choice.get(key) == target]
    return same[0] if len(same) == 1 else target.rpartition(".")[2].lower() or "yes"


def _with_choices(flats: Sequence[Flat]) -> list[Flat]:
    """`flats` with groups replaced by the choice in conf/ that they are, where all runs allow it.

    Then `loss=l1` says it; after `loss.terms.l1.weight=0.5` the keys have to.
    """
    replaced = [dict(flat) for flat in flats]
    for group in {key: None for flat in flats for key in flat if "." not in key}:
        nodes = [_subtree(group, flat) for flat in flats]
        names = {repr(node): _exact_choice(group, node) for node in nodes}
        if len(names) == 1 or not all(names.values()):
            continue
        for flat, node in zip(replaced, nodes, strict=True):
            for key in node:
                del flat[key]
            flat[group] = Choice(names[repr(node)])
    return replaced


def _subtree(key: str, flat: Flat) -> Flat:
    return {k: v for k, v in flat.items() if k == key or k.startswith(f"{key}.")}


def _exact_choice(group: str, node: Flat) -> str | None:
    """The shortest name in conf/`group` whose file says just what `node` does, None without one."""
    for name, choice in _choices(group).items():
        free = {k for k, v in choice.items() if isinstance(v, str) and ("${" in v or v == "???")}
        if {k: v for k, v in choice.items() if k not in free} == {
            k: v for k, v in node.items() if k not in free
        }:
            return name
    return None


@cache
def _choices(group: str) -> dict[str, Flat]:
    """The files of conf/`group`, flat, shortest name first, without those built on others."""
    import yaml

    found = {}
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for path in sorted((conf_dir() / group).glob("*.yaml"), key=lambda p: (len(p.stem), p.stem)):
        text = path.read_text()
        try:
            content = yaml.load(text, Loader=loader) or {}
        except yaml.YAMLError as error:
            raise ConfigError(f"{path} is no YAML: {str(error).splitlines()[0]}") from error
        node = content.get(group, {}) if "@package _global_" in text else content
        if "defaults" not in content:
            found[path.stem] = flat_nodes(identity({group: node}))
    return found
