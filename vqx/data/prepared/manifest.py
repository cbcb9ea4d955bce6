"""manifest.json of a prepared folder: what is in it, from what, and how it was made."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from vqx.errors import ConfigError, DataError

MANIFEST = "manifest.json"
VERSION = 1
Format = Literal["ffcv", "memmap"]
Mode = Literal["raw", "jpg", "proportion", "smart"]


@dataclass(frozen=True, slots=True)
class Storage:
    """How pixels are stored. `memmap` is always raw.

    `mode` of the training images (`evaluation_mode`: of the others): raw; jpg of `quality`;
    proportion: jpg for that share of the images, chosen by their index; smart: jpg where raw would
    take more than `smart_threshold` times as many bytes.
    """

    format: Format = "ffcv"
    mode: Mode = "raw"
    evaluation_mode: Mode = "raw"
    quality: int = 95
    proportion: float = 0.5
    smart_threshold: float = 4.0

    def __post_init__(self) -> None:
        modes = ("raw", "jpg", "proportion", "smart")
        if self.format not in ("ffcv", "memmap"):
            raise ConfigError(f"format={self.format} must be ffcv or memmap")
        for key in ("mode", "evaluation_mode"):
            if getattr(self, key) not in modes:
                raise ConfigError(f"{key}={getattr(self, key)} must be one of {', '.join(modes)}")
            if self.format == "memmap" and getattr(self, key) != "raw":
                raise ConfigError(f"{key}={getattr(self, key)}: format=memmap stores raw pixels")
        if not 1 <= self.quality <= 100:
            raise ConfigError(f"quality={self.quality} must lie in 1..100")
        if not 0 <= self.proportion <= 1:
            raise ConfigError(f"proportion={self.proportion} must lie in [0, 1]")
        if not self.smart_threshold > 0:
            raise ConfigError(f"smart_threshold={self.smart_threshold} must be above 0")

    def mode_of(self, split: str) -> Mode:
        """The mode for `split`: train, validation or test."""
        return self.mode if split == "train" else self.evaluation_mode


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An image that could not be read: its index and name in the source, and why."""

    index: int
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class PreparedSplit:
    """One split: `images` names in the source, of which those in `unreadable` are not stored.

    `file`: its file in the folder; `stored_bytes`: of the images alone; `jpg`: how many are JPEG;
    `short_side`, `long_side`: (smallest, median, largest) of the stored images in pixels;
    `source_sha256`: of the names and the contents of all source files, in order;
    `source_fingerprint`, `names_sha256`: as of their `ImageSource`, "" where not known.
    """

    file: str
    images: int
    unreadable: tuple[Unreadable, ...]
    stored_bytes: int
    jpg: int
    short_side: tuple[int, int, int]
    long_side: tuple[int, int, int]
    source_sha256: str
    source_fingerprint: str = ""
    names_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A prepared folder. `recipe`: `Recipe.to_dict()`; `made`: free text, when and with what.

    `validation_fraction`: of one plain folder that was split by it, else None.
    """

    source: str
    recipe: dict[str, Any]
    storage: Storage
    splits: dict[str, PreparedSplit]
    made: dict[str, Any]
    validation_fraction: float | None = None

    def write(self, folder: Path) -> None:
        """Write it, atomically: the last step of a preparation."""
        text = json.dumps({"version": VERSION, **asdict(self)}, indent=1, ensure_ascii=False)
        part = folder / f"{MANIFEST}.part"
        with part.open("w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(folder / MANIFEST)


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of `folder`; None: there is none of ours. Raises DataError for a damaged one."""
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}): prepare the data again") from error
    if not (isinstance(content, dict) and content.keys() >= {"recipe", "storage", "splits"}):
        return None  # of something else: many tools write a file of this name
    if content.get("version") != VERSION:
        raise DataError(f"{path} is of another version of vqx: prepare the data again")
    try:
        return _from_dict(content)
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is damaged ({error!r}): prepare the data again") from error


def _from_dict(content: Mapping[str, Any]) -> Manifest:
    splits = {name: _split_from(fields) for name, fields in content["splits"].items()}
    storage = Storage(**content["storage"])
    kept = {key: content[key] for key in ("source", "recipe", "made")}
    fraction = content.get("validation_fraction")  # not in the first prepared folders
    return Manifest(storage=storage, splits=splits, validation_fraction=fraction, **kept)


def _split_from(fields: Mapping[str, Any]) -> PreparedSplit:
    unreadable = tuple(Unreadable(**one) for one in fields["unreadable"])
    sides = {side: tuple(fields[side]) for side in ("short_side", "long_side")}
    return PreparedSplit(**{**fields, **sides, "unreadable": unreadable})
