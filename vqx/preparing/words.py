"""The words of `python -m vqx.prepare data=... source=... out=...`. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from vqx.errors import ConfigError
from vqx.guard import nearest

HELP = """Get ready what a run needs, before it needs it.

  python -m vqx.prepare data=folder source=DIR out=DIR [WORD=VALUE ...]   a data set
  python -m vqx.prepare weights [--help]                                  pretrained weights

A data set: every image is decoded, resized and stored once, for fast and exact training.

  python -m vqx.prepare data=folder source=~/photos out=~/photos256 max_resolution=256
  python -m vqx.train data=folder data.root=~/photos256 data.loader=ffcv data.image_size=256

  data=folder            a preset of conf/data that reads image files: folder, imagenet, ...
  source=DIR             where the images are, laid out as the head of the preset's file says
  out=DIR                the prepared folder, made here: a file or two for each of train,
                         validation and test, and manifest.json
  max_resolution=256     the short side of the stored images in pixels. (The option of FFCV's
                         writer with this name is the long side. Here it is the short one because
                         windows are cut from the images: it says how large a window can be,
                         whatever the aspect, and it is data.load_size of every loader.)
  format=ffcv            ffcv: .beton files, for data.loader=ffcv; memmap: plain pixels, for
                         data.loader=memmap or memory
  mode=raw               of the training images, in .beton files. raw: as every other loader sees
                         them; jpg: smaller, other pixels; proportion: jpg for a share of them;
                         smart: jpg where raw takes more than smart_threshold times as many bytes
  evaluation_mode=raw    the same for validation and test: raw keeps metrics comparable
  quality=95             of jpg, 1 to 100
  proportion=0.5         the share of mode=proportion, chosen by a hash of each image's index
  smart_threshold=4      of mode=smart
  broken=stop            an unreadable image ends it with an error (stop), or is left out and
                         listed with its reason in manifest.json (skip)
  splits=[train,test]    only these; default: all there are
  workers=N              processes that decode; default: one for each core. Changes no byte
  data.KEY=VALUE         other options of the preset: data.filter, data.channels, data.layout,
                         data.classes, data.validation_fraction

The same command goes on where it was ended, by Ctrl-C, kill -9, a full disk or a power cut; the
files are then those of an unbroken preparation, byte for byte. A finished folder is never
overwritten: with equal images and settings nothing is done.
"""
_NEEDED = ("source", "out")
# What every preset has that matters here; those of the second line are words of their own.
_OPTIONS = ("layout", "filter", "channels", "classes", "validation_fraction")
_ALIASES = {
    "data.root": "source",
    "data.load_size": "max_resolution",
    "data.broken": "broken",
    "data.workers": "workers",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The words of a command line, with their defaults; `overrides` are those for the preset.

    `workers` and `splits` are None where they were not given.
    """

    source: Path
    out: Path
    data: str = "folder"
    max_resolution: int = 256
    format: str = "ffcv"
    mode: str = "raw"
    evaluation_mode: str = "raw"
    quality: int = 95
    proportion: float = 0.5
    smart_threshold: float = 4.0
    broken: str = "stop"
    workers: int | None = None
    splits: tuple[str, ...] | None = None
    overrides: tuple[str, ...] = ()

    @classmethod
    def read(cls, words: Sequence[str]) -> "Words":
        """The words as typed. Raises ConfigError for what is unknown, missing or no number."""
        values: dict[str, Any] = {}
        overrides = []
        for word in words:
            key, equals, text = word.partition("=")
            if not equals:
                raise ConfigError(f"'{word}' is no WORD=VALUE{_meant(key)}; see --help")
            name = _ALIASES.get(key, key)
            if key.startswith("data.") and name == key:
                overrides.append(_checked(word, key))
                continue
            if name not in _known():
                raise ConfigError(f"unknown word '{key}'{_meant(key)}; see --help")
            if name in values:
                raise ConfigError(f"{name} is given twice: keep one")
            values[name] = _value(name, text)
        for name in _NEEDED:
            if name not in values:
                raise ConfigError(f"{name}=DIR is missing; see --help")
        return cls(**values, overrides=tuple(overrides))

    def __post_init__(self) -> None:
        if self.max_resolution < 1:
            raise ConfigError(f"max_resolution={self.max_resolution} must be at least 1")
        if self.broken not in ("stop", "skip"):
            raise ConfigError(f"broken={self.broken} must be stop or skip")
        if self.workers is not None and self.workers < 0:
            raise ConfigError(f"workers={self.workers} must be at least 0")
        for split in self.splits or ():
            if split not in ("train", "validation", "test"):
                raise ConfigError(f"splits: {split} must be train, validation or test")


def _known() -> list[str]:
    return [field.name for field in fields(Words) if field.name != "overrides"]


def _meant(key: str) -> str:
    return nearest(key, ["weights", *_known(), *_ALIASES, *(f"data.{name}" for name in _OPTIONS)])


def _checked(word: str, key: str) -> str:
    """`word`, an option of the preset that can change what is stored."""
    if key.removeprefix("data.") in _OPTIONS:
        return word
    raise ConfigError(
        f"{key} changes nothing in a prepared folder{_meant(key)}: leave it to vqx.train; here "
        f"count {', '.join(f'data.{name}' for name in _OPTIONS)}"
    )


def _value(name: str, text: str) -> Any:
    if not text:
        raise ConfigError(f"{name}= has no value; see --help")
    if name in ("source", "out"):
        return Path(text).expanduser()
    if name == "splits":
        return tuple(part.strip() for part in text.strip("[]").split(","))
    kind: type[int] | type[float] | type[str] = str
    if name in ("max_resolution", "quality", "workers"):
        kind = int
    elif name in ("proportion", "smart_threshold"):
        kind = float
    try:
        return kind(text)
    except ValueError:
        number = "a whole number" if kind is int else "a number"
        raise ConfigError(f"{name}={text} must be {number}") from None
