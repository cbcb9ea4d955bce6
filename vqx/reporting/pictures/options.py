"""Which pictures are made, and of what: as typed on the command line, or from Python."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from vqx.errors import ConfigError
from vqx.guard import nearest
from vqx.reporting.pictures.style import WIDTHS
from vqx.reporting.selection import items

PICTURES = ("pareto", "curves", "usage", "histogram", "images", "embeddings", "heatmap")
ALL = "all"
AXES = ("steps", "images", "hours")


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureOptions:
    """What to draw.

    pictures: names of `PICTURES`, or "all": those that the runs have something for. x, y: columns
    of the pareto picture. curves: metrics of metrics.jsonl, as `psnr`, `train/loss` or
    `evaluate/psnr`; a bare one is the evaluation's if there is one; () is `psnr`, or what a run
    with a single evaluation has instead. over: the curves' axis, one of `AXES`. images: which
    validation images, from 0; () is all. image_seed: whose images; None is each row's lowest.
    difference: an amplified difference below each row of images. heatmap: a configuration key,
    then another key (and a metric, default `y`) or metrics; () is `levels`, or the first key that
    varies, and the usual metrics. width: a key of `WIDTHS`.
    """

    pictures: tuple[str, ...] = (ALL,)
    x: str = "bits"
    y: str = "psnr"
    curves: tuple[str, ...] = ()
    over: str = "steps"
    images: tuple[int, ...] = ()
    image_seed: int | None = None
    difference: bool = False
    heatmap: tuple[str, ...] = ()
    width: str = "full"

    def __post_init__(self) -> None:
        """Raise ConfigError for what cannot be drawn."""
        if not self.pictures:
            raise ConfigError(f"pictures= names none: one of {', '.join(PICTURES)}, or {ALL}")
        for picture in self.pictures:
            _check("pictures", picture, (*PICTURES, ALL))
        _check("over", self.over, AXES)
        _check("width", self.width, tuple(WIDTHS))
        if any(index < 0 for index in self.images):
            raise ConfigError(f"images={list(self.images)}: images are counted from 0")

    @property
    def names(self) -> tuple[str, ...]:
        """The pictures to make, each once, in the order of `PICTURES`."""
        return tuple(p for p in PICTURES if ALL in self.pictures or p in self.pictures)

    def is_asked_for(self, picture: str) -> bool:
        """Whether `picture` was named, so that its absence is an error."""
        return picture in self.pictures


OPTION_KEYS = frozenset(f.name for f in fields(PictureOptions))


def picture_options(words: Mapping[str, str]) -> PictureOptions:
    """Options from `key=value` words (keys: `OPTION_KEYS`). Raises ConfigError for a bad value."""
    values: dict[str, Any] = {}
    for key, text in words.items():
        _check("picture options", key, tuple(OPTION_KEYS))
        if key in ("pictures", "curves", "heatmap"):
            values[key] = items(text)
        elif key == "images":
            values[key] = tuple(_whole(key, item) for item in items(text))
        elif key == "image_seed":
            values[key] = _whole(key, text)
        elif key == "difference":
            _check(key, text, ("true", "false"))
            values[key] = text == "true"
        else:
            values[key] = text
    return PictureOptions(**values)


def _check(key: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        there = ", ".join(allowed)
        raise ConfigError(f"{key}={value}: no such value{nearest(value, allowed)}; one of: {there}")


def _whole(key: str, text: str) -> int:
    if not text.isdecimal():
        raise ConfigError(f"{key}={text}: must be whole numbers from 0")
    return int(text)
