"""Clear lines for configurations that cannot be meant: orphan keys, misspelt groups and options.

Hydra accepts `+experimnt=x` as a new root key, and an experiment's `levels` beside `quantizer=vq`:
both would train something other than what was asked for.
"""

import difflib
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vqx.config import conf_dir, group_names, interpolated_keys
from vqx.errors import ConfigError
from vqx.rows import explain_row

if TYPE_CHECKING:
    from omegaconf import DictConfig


def check_root_keys(config: "DictConfig") -> None:
    """Refuse root keys that are no group, not in config.yaml and read by no interpolation.

    Raises ConfigError naming the key, who else has it, and the nearest known name.
    """
    from omegaconf import OmegaConf

    plain = OmegaConf.to_container(config, resolve=False)
    assert isinstance(plain, dict)
    known = group_names() | _base_keys()
    used = set(interpolated_keys(plain))
    for key in plain:
        if str(key) not in known | used:
            raise ConfigError(_orphan_message(str(key), known=known, config=plain))


def _orphan_message(key: str, *, known: set[str], config: dict[Any, Any]) -> str:
    owners = owners_of(key)
    if owners:
        return f"nothing reads '{key}' in this configuration: it belongs to {' or '.join(owners)}"
    hint = nearest(key, known | {str(other) for other in config if other != key})
    return f"unknown key '{key}': nothing reads it{hint}"


def owners_of(key: str) -> list[str]:
    """Choices (`quantizer=fsq`) whose file holds the dotted `key`, from the root on."""
    return [
        f"{path.parent.name}={path.stem}"
        for path, is_global, content in _group_files(conf_dir())
        # The others set options of other groups, and own none.
        if path.parent.name not in ("project", "scale", "sweeps")
        and is_global
        and _holds(content, key.split("."))
    ]


@cache  # many jobs of a sweep may be refused for the same reason
def _group_files(conf: Path) -> list[tuple[Path, bool, object]]:
    """Every file of a group, whether its keys start at the root, and what is in it."""
    import yaml

    texts = [(path, path.read_text()) for path in sorted(conf.glob("*/*.yaml"))]
    return [(path, "@package _global_" in text, yaml.safe_load(text) or {}) for path, text in texts]


def _holds(node: object, path: list[str]) -> bool:
    """Whether `path` leads to something in the nested dictionaries `node`."""
    for name in path:
        if not isinstance(node, dict) or name not in node:
            return False
        node = node[name]
    return True


def nearest(word: str, candidates: Iterable[str]) -> str:
    """A suggestion to hang on a message, or nothing."""
    close = difflib.get_close_matches(word, list(candidates), n=1, cutoff=0.6)
    return f" (did you mean '{close[0]}'?)" if close else ""


def explain(error: Exception) -> str:
    """One clear line for an error of Hydra or OmegaConf about what the user typed."""
    text = "\n".join(filter(None, [str(error), str(error.__cause__ or "")]))
    if line := explain_row(text):
        return line
    if match := re.search(r"Could not find '([\w/]+)/([^'/]+)'", text):
        return _unknown_choice(match[1], match[2])
    if match := re.search(r"Could not override '([\w/.@]+)'", text):
        return _unknown_option(match[1])
    if match := re.search(r"Key '(\w+)' is not in struct\s+full_key: ([\w.]+)", text):
        return _unknown_option(match[2])
    if "Missing mandatory value" in text and (match := re.search(r"full_key: ([\w.]+)", text)):
        return f"'{match[1]}' has no default: give it as {match[1]}=..."
    if match := re.search(r"Ambiguous value for argument '(.+?)'\n", text):
        return f"{match[1]} is several values: give -m to run each, or write a list as KEY=[A,B]"
    said = " ".join(line.strip() for line in str(error).splitlines() if line.strip())
    typed = getattr(error, "override", None)  # of what Hydra's parser cannot read
    return f"cannot read '{typed}': {said}" if isinstance(typed, str) else said


def _unknown_choice(group: str, choice: str) -> str:
    choices = sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))
    if not choices:
        return f"there is no group '{group}'{nearest(group, group_names())}"
    return (
        f"there is no {group}={choice}{nearest(choice, choices)}; {group} is one of: "
        + ", ".join(choices)
    )


# Why the switches of learned codebooks do not exist elsewhere.
_SWITCHES = (
    "whose codes are learned vectors, found by their distance to the latents; codes on a fixed "
    "grid or chosen by logits have none to start, restart, measure or rotate onto"
)


def _unknown_option(key: str) -> str:
    root, _, inner = key.partition(".")
    if choices := _choices_with(root, inner):
        return f"'{key}' is no option here: it belongs to {' or '.join(choices)}"
    owners = owners_of(key)
    if owners:
        why = f" ({_SWITCHES})" if key in ("init", "restart", "distance", "estimator") else ""
        nested = key.removeprefix("quantizer.")
        if deeper := owners_of(f"quantizer.base.{nested}"):
            why += f"; as quantizer.base.{nested} to {' or '.join(deeper)}"
        return f"'{key}' is no option here: it belongs to {' or '.join(owners)}{why}"
    known = _base_keys() | group_names() | _all_option_keys()
    hint = nearest(key, known)
    where = f" of {root}" if "." in key and root in group_names() else ""
    return f"'{key}' is no option{where}{hint}; `python -m vqx.train --cfg job` prints them all"


def _choices_with(group: str, inner: str) -> list[str]:
    """Choices (`data=folder`) of a group whose own file has the dotted option `inner`."""
    import yaml

    paths = sorted((conf_dir() / group).glob("*.yaml")) if inner else []
    texts = {path.stem: path.read_text() for path in paths}
    return [
        f"{group}={name}"
        for name, text in texts.items()
        if "@package _global_" not in text and _holds(yaml.safe_load(text) or {}, inner.split("."))
    ]


def _base_keys() -> frozenset[str]:
    return _root_keys(conf_dir() / "config.yaml")


@cache  # a sweep asks for each of its jobs
def _root_keys(path: Path) -> frozenset[str]:
    import yaml

    return frozenset(yaml.safe_load(path.read_text())) - {"defaults"}


def _all_option_keys() -> set[str]:
    """Dotted names of the options in every group file, for suggestions."""
    keys: set[str] = set()
    for path, is_global, content in _group_files(conf_dir()):
        if isinstance(content, dict):
            prefix = "" if is_global else f"{path.parent.name}."
            keys.update(f"{prefix}{key}" for key in _dotted(content) if key != "defaults")
    return keys


def _dotted(node: dict[str, Any]) -> Iterator[str]:
    """Keys at any depth, by their way from the root."""
    for key, value in node.items():
        yield key
        if isinstance(value, dict):
            yield from (f"{key}.{inner}" for inner in _dotted(value))
