"""Where a network's weights are: a configured path, else the cache, else a download."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from vqx.errors import ConfigError, WeightsMissing
from vqx.pretrained.catalogue import CATALOGUE, INCEPTION, WeightFile
from vqx.pretrained.files import weights_digest
from vqx.pretrained.hub import fetch

__all__ = [
    "cache_folder",
    "cached_path",
    "find_weights",
    "present_path",
    "published_path",
    "weights_digest",
]


def cache_folder(cache_dir: str | Path | None = None) -> Path:
    """The folder of weight files: `weights` in `cache_dir`, else in $VQX_CACHE or ~/.cache/vqx."""
    root = cache_dir or os.environ.get("VQX_CACHE") or "~/.cache/vqx"
    return Path(root).expanduser() / "weights"


def cached_path(entry: WeightFile, cache_dir: str | Path | None = None) -> Path:
    """Where `entry` lies in the cache, whether it is there or not."""
    return cache_folder(cache_dir) / entry.file_name


def published_path(entry: WeightFile, cache_dir: str | Path | None = None) -> Path:
    """Where the file that its authors publish would lie, put there by hand."""
    return cache_folder(cache_dir) / entry.published_name


def present_path(entry: WeightFile, cache_dir: str | Path | None = None) -> Path | None:
    """The file of `entry` in the cache, ours before its authors'; None when there is neither."""
    places = (cached_path(entry, cache_dir), published_path(entry, cache_dir))
    return next((path for path in places if path.is_file()), None)


def find_weights(
    network: str, *, weights: str | Path | None = None, cache_dir: str | Path | None = None
) -> Path:
    """The weight file of `network` ("alexnet", "vgg16" or "inception").

    `weights` is a path that must exist when given. Without it the cache is looked at, and filled
    by a download when it lacks the file; a file as published will do. Raises ConfigError when a
    given path does not exist, WeightsMissing saying what was looked for where.
    """
    entry = CATALOGUE[network]
    if weights is not None:
        path = Path(weights).expanduser()
        if not path.is_file():
            raise ConfigError(
                f"{network} weights: there is no file {path}, which `weights` names; "
                "correct the path, or leave it null to use the cache"
            )
        return path
    if (present := present_path(entry, cache_dir)) is not None:
        return present
    path = cached_path(entry, cache_dir)
    try:
        fetch(entry, path)
    except WeightsMissing as error:
        raise WeightsMissing(missing_message(entry, path, str(error), cache_dir)) from error
    return path


def missing_message(
    entry: WeightFile, path: Path, reason: str, cache_dir: str | Path | None = None
) -> str:
    """One line: which weights are missing, where they were looked for, and how to get them."""
    option = f" --cache-dir {cache_dir}" if cache_dir else ""
    if entry.network == INCEPTION.network:
        remedy = f"put {entry.published_name}, from {entry.url}, there"
    else:
        remedy = f"run `python -m vqx.prepare weights{option}`, or copy {path.name} from a machine"
        remedy += " that has it"
    server = urlsplit(entry.url).netloc
    place = short(path.parent)
    return f"no {entry.network} weights in {place}, nor from {server} ({reason}): {remedy}"


def short(path: Path) -> str:
    """`path` with the home folder as ~: messages end up in tables that are passed on."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
