"""A copy of the code and configuration files that jobs run from, whatever is edited meanwhile."""

import importlib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vqx.config import conf_dir
from vqx.sweeps.code import Fingerprint, digest_of, own_modules, package_files

SNAPSHOTS = ".snapshots"  # beside the run folders


def take_snapshot(configs: Sequence[Mapping[str, Any]], runs: Path) -> Path:
    """Copy all that runs of `configs` may read of vqx and the user's own modules; its folder.

    The same files give the same folder, RUNS/.snapshots/<digest>, which is then reused.
    """
    files = _files(configs)
    contents = {name: path.read_bytes() for name, path in files.items()}
    digest = Fingerprint({name: digest_of(text) for name, text in contents.items()}).digest
    place = runs / SNAPSHOTS / digest
    if place.is_dir():
        return place
    temporary = place.with_name(f".{digest}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    for name, text in contents.items():
        target = temporary / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text)
    try:
        temporary.rename(place)  # appears whole
    except OSError:  # by another sweep, at the same time: the same files
        shutil.rmtree(temporary, ignore_errors=True)
        if not place.is_dir():
            raise
    return place


def _files(configs: Sequence[Mapping[str, Any]]) -> dict[str, Path]:
    """Files by their place in the snapshot."""
    files = dict(package_files())
    conf = conf_dir()
    for path in sorted(conf.rglob("*.yaml")):
        files[str(Path("conf") / path.relative_to(conf))] = path
    for path in sorted(_plugins().glob("vqx_*.py")):
        files[f"hydra_plugins/{path.name}"] = path
    for config in configs:
        files.update(own_modules(config))
    return files


def _plugins() -> Path:
    """The folder of vqx's Hydra plugins."""
    launchers = importlib.import_module("hydra_plugins.vqx_launchers")
    return Path(str(launchers.__file__)).resolve().parent
