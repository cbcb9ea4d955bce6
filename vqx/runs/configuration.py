"""What a run is, written into its folder: the resolved configuration and what was typed."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from vqx.runs.files import write_text_atomic
from vqx.runs.folder import RunFolder


def write_configuration(
    folder: RunFolder,
    config: Mapping[str, Any],
    *,
    overrides: Sequence[str],
    durable: bool = True,
) -> None:
    """Write config.yaml and overrides.yaml; `config` is plain and resolved.

    Not `durable` is fast, for a thousand planned runs at once: a power cut may lose what was
    written, and the same sweep plans it again.
    """
    plain = {key: value for key, value in config.items() if key != "hydra"}
    folder.path.mkdir(parents=True, exist_ok=True)
    for path, value, sort in (
        (folder.config, plain, False),
        (folder.overrides, [*overrides], True),
    ):
        text = dump_yaml(value, sort_keys=sort)
        write_text_atomic(path, text, check=folder.check, durable=durable)


def dump_yaml(value: Any, *, sort_keys: bool = False) -> str:
    """`value`, of plain types, as YAML text."""
    # The C emitter is six times as fast, but not in every build of the package.
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(value, Dumper=dumper, sort_keys=sort_keys, allow_unicode=True)
    return text
