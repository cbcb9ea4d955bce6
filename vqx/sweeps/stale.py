"""Whether a job still is what it was at its submission, or what changed under it meanwhile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vqx.config import identity
from vqx.runs.checkpoint_files import latest_checkpoint
from vqx.runs.folder import RunFolder

_SHOWN = 6  # changes named in one line; the rest is counted


@dataclass(frozen=True, slots=True)
class Changes:
    """What is not as it was when a job was submitted: keys (old -> new), and source files."""

    keys: Sequence[str]
    files: Sequence[str]

    @property
    def all(self) -> list[str]:
        """Both, keys first."""
        return [*self.keys, *self.files]

    def __str__(self) -> str:
        """In one line: the first few, and how many more there are."""
        more = f" and {len(self.all) - _SHOWN} more" if len(self.all) > _SHOWN else ""
        return "; ".join(self.all[:_SHOWN]) + more

    def way_on(self, folder: RunFolder) -> str:
        """What to do about a job that was refused for them, without losing what it had trained."""
        latest = latest_checkpoint(folder.checkpoints)
        if latest is None:
            return "submit it again (retry=failed), or use stale=warn or snapshot=true"
        undone = f"{latest.path.name} is kept: undo the change, and retry=failed goes on from there"
        if self.keys:
            return f"{undone}; changed configuration makes it another run"
        return f"{undone}; without undoing it goes on with the changed code"


def changes(
    config: Mapping[str, Any],
    overrides: Sequence[str],
    *,
    code: str,
    code_lists: Path,
    searchpath: Sequence[str],
    snapshot: bool,
) -> Changes:
    """What is not as it was when `config` was stored.

    `code` is the digest of the code at submission, whose list of files is kept in `code_lists`.
    A job that runs from a `snapshot` is to be kept from edits of configuration files as well: only
    whether the snapshot is what it runs is looked at.
    """
    keys = [] if snapshot else changed_keys(config, overrides, searchpath=searchpath)
    return Changes(keys, changed_files(config, code, code_lists))


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
    from vqx.runs.code import code_fingerprint, read_fingerprint

    if not code:
        return []
    today = code_fingerprint(config)
    if today.digest == code:
        return []
    before = read_fingerprint(code, code_lists)
    return (
        [f"the code ({code} -> {today.digest})"] if before is None else today.changes_since(before)
    )


def _composed(overrides: Sequence[str], searchpath: Sequence[str]) -> dict[str, Any]:
    """Today's configuration of these overrides, plain and resolved."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    from vqx.config import conf_dir, register_resolvers

    register_resolvers()
    words = [word for word in overrides if not word.lstrip("+~").startswith("hydra")]
    if searchpath:
        quoted = ",".join("'" + place.replace("'", "\\'") + "'" for place in searchpath)
        words.append(f"hydra.searchpath=[{quoted}]")
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
