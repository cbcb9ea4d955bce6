"""A copy of the code and configuration files that jobs run from, whatever is edited meanwhile."""

import importlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import vqx
from vqx.config import conf_dir
from vqx.runs.code import Fingerprint, digest_of, own_modules, package_files
from vqx.runs.files import write_json_atomic
from vqx.runs.provenance import COPIED_FROM, source_code

SNAPSHOTS = ".snapshots"  # beside the run folders


def take_snapshot(configs: Sequence[Mapping[str, Any]], runs: Path) -> Path:
    """Copy all that runs of `configs` may read of vqx and the user's own modules; its folder.

    The same files give the same folder, RUNS/.snapshots/<digest>, which is then reused.
    """
    files = _files(configs)
    contents = {name: _content(path) for name, path in files.items()}
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
    # Runs from the copy have no repository to ask.
    source = source_code(Path(vqx.__file__).resolve().parent)
    write_json_atomic(temporary / COPIED_FROM, asdict(source))
    try:
        temporary.rename(place)  # appears whole
    except OSError:  # by another sweep, at the same time: the same files
        shutil.rmtree(temporary, ignore_errors=True)
        if not place.is_dir():
            raise
    return place


@cache
def _content(path: Path) -> bytes:
    """Read once, as digests of the code are: a search keeps to the code that it began with."""
    return path.read_bytes()


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
