"""What the parts of a configuration are called: values, and choices of conf/."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from vqx.config import conf_dir, identity, shipped
from vqx.errors import ConfigError

# Dotted key -> value; a node's own key holds a Target.
Flat = dict[str, Any]


_WIRE = re.compile(r"\$\{(\w+)\}")


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


def choice_name(key: str, flat: Flat) -> str:
    """What the node `key` is called: its choice in conf/, its `name`, or its class."""
    node = _subtree(key, flat)
    if not node:
        return ""
    if name := flat.get(f"{key}.name"):
        return str(name)
    if key == "quantizer" and (family := family_of(flat)):
        return family.name
    if choice := _exact_choice(key, node):
        return choice
    target = str(flat[key])
    same = [name for name, choice in _choices(key).items() if choice.get(key) == target]
    if target.endswith(".Weighted"):  # a loss term that others have not
        return "yes"
    return same[0] if len(same) == 1 else target.rpartition(".")[2].lower() or "yes"


@dataclass(frozen=True, slots=True)
class Family:
    """A file of conf/quantizer: its name, and what it says where a run has not changed it.

    `defaults` are values by dotted key, nulls too; `wiring`: keys that read a root knob.
    """

    name: str
    defaults: Flat
    wiring: frozenset[str]


def families_of(flats: Sequence[Flat]) -> list[Family | None]:
    """`family_of` each; one object for runs whose quantizers and root knobs are equal."""
    telling = {
        layout: [key for key in layout if "." not in key or key.startswith("quantizer.")]
        for layout in map(tuple, flats)
    }
    known: dict[object, Family | None] = {}
    found = []
    for flat in flats:
        keys = telling[tuple(flat)]
        kind = (tuple(keys), tuple([repr(flat[key]) for key in keys]))
        if kind not in known:
            known[kind] = family_of(flat)
        found.append(known[kind])
    return found


def family_of(flat: Flat) -> Family | None:
    """The shipped quantizer nearest to a run's, with wiring read from the run's own root knobs."""
    knobs = {k: v for k, v in flat.items() if "." not in k and _is_value(v) and v is not None}
    name, file = shipped({"quantizer": _nested(flat, "quantizer")}, knobs)
    if not file:
        return None
    defaults = {key: value for key, value in flat_nodes(file).items() if _is_value(value)}
    read = {key: m[1] for key, value in defaults.items() if (m := _WIRE.fullmatch(str(value)))}
    values = {**defaults, **flat}
    return Family(
        name, {**defaults, **{k: values.get(v) for k, v in read.items()}}, frozenset(read)
    )


def _is_value(value: object) -> bool:
    return not isinstance(value, Choice | Target)


def _nested(flat: Flat, group: str) -> dict[str, Any]:
    """The classes of a group as a tree."""
    nodes: dict[str, dict[str, Any]] = {"": {}}
    for key, value in flat.items():
        if isinstance(value, Target) and (key == group or key.startswith(f"{group}.")):
            nodes[key] = {"_target_": str(value)} if value else {}
            parent, _, name = key.rpartition(".")
            nodes[parent][name] = nodes[key]
    return nodes.get(group, {})


def with_choices(flats: Sequence[Flat]) -> list[Flat]:
    """`flats` with groups replaced by the choice in conf/ that they are, where all runs allow it.

    Then `loss=l1` says it; after `loss.terms.l1.weight=0.5` the keys have to.
    """
    replaced = [dict(flat) for flat in flats]
    layouts = [tuple(flat) for flat in flats]
    distinct = list(dict.fromkeys(layouts))
    fixed = constant_keys(flats)
    for group in {key: None for layout in distinct for key in layout if "." not in key}:
        below = {layout: tuple(key for key in layout if _is_at(group, key)) for layout in distinct}
        if all(len(keys) == len(fixed.intersection(keys)) > 0 for keys in below.values()):
            continue  # one thing in all runs
        names: dict[object, str | None] = {}
        alike = []
        for flat, layout in zip(flats, layouts, strict=True):
            keys = below[layout]
            kind = (keys, tuple([repr(flat[key]) for key in keys if key not in fixed]))
            if kind not in names:
                names[kind] = _exact_choice(group, {key: flat[key] for key in keys})
            alike.append(kind)
        if len(names) == 1 or not all(names.values()):
            continue
        for flat, layout, kind in zip(replaced, layouts, alike, strict=True):
            for key in below[layout]:
                del flat[key]
            flat[group] = Choice(names[kind])
    return replaced


def constant_keys(flats: Sequence[Flat]) -> set[str]:
    """Keys that all of `flats` have, with one value."""
    return {key for key in (flats[0] if flats else ()) if _is_constant(key, flats)}


def _is_constant(key: str, flats: Sequence[Flat]) -> bool:
    absent = object()
    first = flats[0][key]
    values = [flat.get(key, absent) for flat in flats]
    # What runs share is mostly one object.
    return all(value is first for value in values) or len(set(map(repr, values))) == 1


def _is_at(group: str, key: str) -> bool:
    return key == group or key.startswith(f"{group}.")


def _subtree(key: str, flat: Flat) -> Flat:
    return {k: v for k, v in flat.items() if _is_at(key, k)}


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
