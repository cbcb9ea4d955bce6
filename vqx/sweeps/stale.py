"""Whether a job still is what it was at its submission, or what changed under it meanwhile."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vqx.config import identity

_SHOWN = 6  # changes named in one line; the rest is counted


def changes(
    config: Mapping[str, Any],
    overrides: Sequence[str],
    *,
    code: str,
    code_lists: Path,
    searchpath: Sequence[str],
) -> list[str]:
    """What is not as it was when `config` was stored: keys (old -> new) and source files.

    `code` is the digest of the code at submission, whose list of files is kept in `code_lists`.
    """
    return changed_keys(config, overrides, searchpath=searchpath) + changed_files(
        config, code, code_lists
    )


def changed_keys(
    config: Mapping[str, Any], overrides: Sequence[str], *, searchpath: Sequence[str]
) -> list[str]:
    """Keys that count and that today's configuration files give another value."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from vqx.guard import explain

    try:
        today = _flat(identity(_composed(overrides, searchpath)))
    except (HydraException, OmegaConfBaseException) as error:
        return [f"its overrides no longer compose ({explain(error)})"]
    stored = _flat(identity(config))
    return [
        f"{key} ({stored.get(key, 'absent')} -> {today.get(key, 'absent')})"
        for key in sorted({*stored, *today})
        if stored.get(key) != today.get(key)
    ]


def changed_files(config: Mapping[str, Any], code: str, code_lists: Path) -> list[str]:
    """Source files that differ from those of the digest `code`; nothing for an empty one."""
    from vqx.sweeps.code import code_fingerprint, read_fingerprint

    if not code:
        return []
    today = code_fingerprint(config)
    if today.digest == code:
        return []
    before = read_fingerprint(code, code_lists)
    return (
        [f"the code ({code} -> {today.digest})"] if before is None else today.changes_since(before)
    )


def in_one_line(found: Sequence[str]) -> str:
    """The first few changes, and how many more there are."""
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return "; ".join(found[:_SHOWN]) + more


def _composed(overrides: Sequence[str], searchpath: Sequence[str]) -> dict[str, Any]:
    """Today's configuration of these overrides, plain and resolved."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    from vqx.config import conf_dir, register_resolvers

    register_resolvers()
    words = [word for word in overrides if not word.lstrip("+~").startswith("hydra")]
    if searchpath:
        words.append(f"hydra.searchpath=[{','.join(searchpath)}]")
    with initialize_config_dir(version_base="1.3", config_dir=str(conf_dir())):
        plain = OmegaConf.to_container(compose("config", overrides=words), resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _flat(node: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Leaves by their dotted names; whole numbers as they are, lists whole."""
    leaves: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            leaves.update(_flat(value, f"{prefix}{key}."))
        else:
            leaves[f"{prefix}{key}"] = value
    return leaves
