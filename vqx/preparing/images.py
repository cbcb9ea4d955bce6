"""What `python -m vqx.prepare data=...` does, and what it prints at the end."""

import re
import shlex
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from vqx.config import composed, conf_dir
from vqx.errors import ConfigError
from vqx.guard import explain, nearest
from vqx.preparing.words import Words

if TYPE_CHECKING:
    from vqx.data.prepared.manifest import Manifest, Storage
    from vqx.data.sources import ImageSource

_FOLDER = "vqx.data.folder"  # what makes a data set of image files, and of a prepared folder


def prepare(words: Words) -> str:
    """Prepare what `words` ask for; what was done, and how to go on."""
    options = _options(words)
    from vqx.data.image_folder import guess_channels  # these import torch: seconds
    from vqx.data.layouts import split_by_fraction
    from vqx.data.prepared.manifest import read_manifest
    from vqx.data.prepared.preparation import prepare_images
    from vqx.data.recipe import Recipe

    storage = _storage(words)
    found = _sources(words, options)
    channels = options["channels"] or guess_channels(
        found.get("train") or next(iter(found.values()))
    )
    is_plain = split_by_fraction(found, options["layout"], words.source)
    was_there = read_manifest(words.out) is not None
    began = time.monotonic()
    manifest = prepare_images(
        {split: found[split] for split in words.splits or found},
        words.out,
        recipe=Recipe(channels, words.max_resolution, options["filter"] or "bicubic"),
        storage=storage,
        broken=cast(Any, words.broken),
        workers=words.workers,
        validation_fraction=options["validation_fraction"] if is_plain else None,
    )
    head = f"{words.out} is prepared so already: nothing was done"
    if not was_there:
        head = f"prepared {words.out} in {_rate(manifest, time.monotonic() - began)}"
    return "\n".join([head, *_counts(words, manifest), *_next_command(words, manifest)])


def _options(words: Words) -> dict[str, Any]:
    """The options of the preset. Raises ConfigError for one that reads no image files."""
    import yaml
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    presets = {
        path.stem: yaml.safe_load(path.read_text()) for path in (conf_dir() / "data").glob("*.yaml")
    }
    folders = sorted(name for name, options in presets.items() if options["_target_"] == _FOLDER)
    if words.data not in presets:
        hint = nearest(words.data, presets)
        raise ConfigError(f"there is no data={words.data}{hint}; prepared can be {_or(folders)}")
    if words.data not in folders:
        raise ConfigError(
            f"data={words.data} lives in memory as it is and needs no preparation; prepared can be "
            f"{_or(folders)}"
        )
    try:
        options = dict(composed([f"data={words.data}", "data.root=.", *words.overrides])["data"])
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(explain(error)) from error
    if options["channels"] not in (None, 1, 3):
        raise ConfigError(f"data.channels={options['channels']} must be 1, 3 or null")
    if not isinstance(options["validation_fraction"], int | float):
        raise ConfigError(
            f"data.validation_fraction={options['validation_fraction']} must be a number"
        )
    return options


def _or(presets: list[str]) -> str:
    return ", ".join(f"data={name}" for name in presets)


def _storage(words: Words) -> "Storage":
    from vqx.data.prepared.manifest import Storage

    return Storage(
        format=cast(Any, words.format),
        mode=cast(Any, words.mode),
        evaluation_mode=cast(Any, words.evaluation_mode),
        quality=words.quality,
        proportion=words.proportion,
        smart_threshold=words.smart_threshold,
    )


def _sources(words: Words, options: dict[str, Any]) -> "dict[str, ImageSource]":
    """All splits there are. Raises ConfigError if one that is asked for is not."""
    from vqx.data.layouts import find_sources

    out, source = words.out.resolve(), words.source.resolve()
    if out == source or source in out.parents:
        raise ConfigError(
            f"out={words.out} lies in source={words.source}: choose a place beside it"
        )
    found = find_sources(
        options["layout"],
        words.source,
        validation_fraction=options["validation_fraction"],
        classes=options["classes"],
    )
    for split in words.splits or ():
        if split not in found:
            raise ConfigError(f"splits: there is no {split} in {words.source}, only {list(found)}")
    return found


def _rate(manifest: "Manifest", seconds: float) -> str:
    images, spent = manifest.made["last_images"], manifest.made["last_seconds"]
    rate = f" ({images / spent:,.0f} images/s)" if spent else ""
    return f"{seconds:,.1f} s: {images:,} images{rate}"


def _counts(words: Words, manifest: "Manifest") -> Iterator[str]:
    """A line for each split, and one for what could not be read."""
    for name, split in manifest.splits.items():
        stored = split.images - len(split.unreadable)
        short, long = split.short_side, split.long_side
        yield (
            f"  {name:10} {stored:>9,} images, {split.stored_bytes:>15,} bytes, {split.jpg:,} as "
            f"jpg, short side {short[0]}..{short[2]}, long side {long[0]}..{long[2]} (median "
            f"{long[1]}) px"
        )
    unreadable = [one for split in manifest.splits.values() for one in split.unreadable]
    if unreadable:
        yield (
            f"  unreadable and left out: {len(unreadable):,}, the first is {unreadable[0].name} "
            f"({unreadable[0].reason}); all with their reasons are in "
            f"{words.out / 'manifest.json'}"
        )


def _next_command(words: Words, manifest: "Manifest") -> Iterator[str]:
    loader = "ffcv" if manifest.storage.format == "ffcv" else "memmap"
    command = [
        "python -m vqx.train",
        f"data={words.data}",
        _typed("data.root", str(words.out)),
        f"data.loader={loader}",
        f"data.image_size={manifest.recipe['load_size']}",
        *_unlike_the_preset(words.data, manifest),
    ]
    if any(split.unreadable for split in manifest.splits.values()):
        command.append("data.broken=skip")
    yield "go on with:"
    yield f"  {' '.join(command)}"


def _unlike_the_preset(preset: str, manifest: "Manifest") -> Iterator[str]:
    """Words for what a preset says otherwise than the folder was prepared with."""
    usual, recipe = composed([f"data={preset}", "data.root=."])["data"], manifest.recipe
    if usual["load_size"] not in (None, recipe["load_size"]):
        yield "data.load_size=null"
    for key in ("filter", "channels"):
        if usual[key] not in (None, recipe[key]):
            yield f"data.{key}={recipe[key]}"
    fraction = manifest.validation_fraction
    if fraction not in (None, usual["validation_fraction"]):
        yield f"data.validation_fraction={fraction}"


def _typed(key: str, value: str) -> str:
    """An override as a shell and Hydra read it."""
    if re.fullmatch(r"[\w./~:-]+", value, re.ASCII):
        return f"{key}={value}"
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    return shlex.quote(f'{key}="{quoted}"')
