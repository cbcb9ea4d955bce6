"""What a run is, written into its folder: the resolved configuration and what was typed."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from vqx.runs.files import write_text_atomic
from vqx.runs.folder import RunFolder


def write_configuration(
    folder: RunFolder, config: Mapping[str, Any], *, overrides: Sequence[str]
) -> None:
    """Write config.yaml and overrides.yaml; `config` is plain and resolved."""
    plain = {key: value for key, value in config.items() if key != "hydra"}
    folder.path.mkdir(parents=True, exist_ok=True)
    write_text_atomic(folder.config, yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))
    write_text_atomic(folder.overrides, yaml.safe_dump(list(overrides), allow_unicode=True))
