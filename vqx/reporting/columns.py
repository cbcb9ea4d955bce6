"""The columns of a table: where a number is found in result.json, and how it is written."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from vqx.reporting.writing import codes, count, fixed, grouped, operations, significant
from vqx.runs.durations import duration

ABSENT = "-"
# Prefixes of what was measured on a quantizer's continuous latents instead of decode(codes), and of
# images with patches dropped at the input.
SOFT = "soft_"
MASKED = "masked_"
VARIANTS = (SOFT, MASKED, MASKED + SOFT)
_ARROWS = {"higher": "↑", "lower": "↓"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A number of a run. `place` is its path in result.json, `metrics` ones carry a stamp.

    `write` gives the text of a value already multiplied by `scale`; with `spread`, of a standard
    deviation too. `always`: shown even if no run has it. `unless`: shown only if some run has
    another value. `by_nature`: a run without it lacks nothing that could have been measured.
    `plus`: the place of a number to add, and the column is shown if some run has one beside 0.
    `derive`: how the number follows from others of the result where `place` has none.
    `stands_for`: a metric; the column is shown by default where a run has this one and not that.
    """

    key: str
    title: str
    place: tuple[str, ...]
    write: Callable[[float], str]
    unit: str = ""
    scale: float = 1.0
    better: str | None = None
    spread: bool = True
    always: bool = True
    default: bool = True
    unless: float | None = None
    by_nature: bool = False
    plus: tuple[str, ...] = ()
    derive: Callable[[Mapping[str, Any]], float | None] | None = None
    stands_for: str = ""
    _path: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        path = (*self.place, "value") if self.is_metric else self.place
        object.__setattr__(self, "_path", path)

    @property
    def is_metric(self) -> bool:
        """Whether values carry a protocol stamp."""
        return self.place[0] == "metrics"

    @property
    def header(self) -> str:
        """Title, direction and unit."""
        arrow = _ARROWS.get(self.better or "", "")
        return " ".join(part for part in (self.title, arrow, self.unit) if part)

    def value(self, result: Mapping[str, Any] | None) -> float | None:
        """The number of a result.json, unscaled; None when it has none."""
        value = number_at(self._path, result)
        if value is not None and not self.plus:
            return value
        if value is None and self.derive is not None and result is not None:
            return self.derive(result)
        more = number_at(self.plus, result) if self.plus else 0.0
        return None if value is None or more is None else value + more

    def text(self, value: float) -> str:
        """`value` as written in a table, without its unit."""
        scaled = value * self.scale
        return self.write(scaled) if math.isfinite(scaled) else str(scaled)


def number_at(place: Sequence[str], node: Any) -> float | None:
    """The number at a path of keys in nested dictionaries, None where there is none."""
    # Not asked whether they are dictionaries: a million of these make a large table.
    try:
        for name in place:
            node = node[name]
        if type(node) is float:
            return node + 0.0  # never -0.0
        is_number = isinstance(node, int | float) and not isinstance(node, bool)
        return float(node) if is_number else None
    except (KeyError, TypeError, OverflowError):  # the last: more digits than a float holds
        return None


def _bits_per_token(result: Mapping[str, Any]) -> float | None:
    """Of a result written before it was stored."""
    bits = number_at(("model", "bits_per_image"), result)
    tokens = number_at(("model", "tokens_per_image"), result)
    return bits / tokens if bits is not None and tokens else None


def _device_hours(result: Mapping[str, Any]) -> float | None:
    """Hours of training on all devices, without evaluations."""
    seconds = number_at(("cost", "train_seconds"), result)
    devices = number_at(("cost", "devices"), result)
    return None if seconds is None or devices is None else seconds * devices / 3600


def _metric(key: str, title: str, decimals: int, better: str | None, **options: Any) -> Column:
    place = ("metrics", key)
    write = fixed(decimals)
    return Column(key=key, title=title, place=place, write=write, better=better, **options)


def _plain(
    key: str, title: str, place: str, write: Callable[[float], str], **options: Any
) -> Column:
    group, _, name = place.partition(".")
    return Column(key=key, title=title, place=(group, name), write=write, **options)


COLUMNS = (
    _plain("codes", "codes", "model.codebook_size", codes, spread=False),
    _plain("codebooks", "codebooks", "model.codebooks", fixed(0), spread=False, unless=1.0),
    _metric("usage", "usage", 1, "higher", unit="%", scale=100),
    _metric("perplexity", "perplexity", 1, "higher"),
    _metric(
        "bit_entropy",
        "bit entropy",
        3,
        "higher",
        always=False,
        stands_for="usage",
        by_nature=True,
    ),
    _metric(
        "code_entropy",
        "code entropy",
        2,
        None,
        unit="bits/token",
        default=False,
        by_nature=True,
    ),
    _metric("l1", "L1", 4, "lower"),
    _metric("l2", "L2", 5, "lower"),
    _metric("psnr", "PSNR", 2, "higher", unit="dB"),
    _metric("psnr_global", "PSNR of the set", 2, "higher", unit="dB", default=False),
    _metric("ssim", "SSIM", 3, "higher"),
    _metric("lpips", "LPIPS", 3, "lower"),
    _metric("rfid", "rFID", 1, "lower"),
    _metric("fd_vgg16", "FD-VGG16", 1, "lower", always=False),
    _plain("parameters", "parameters", "model.parameters", count, spread=False),
    _plain(
        "discriminator_parameters",
        "discriminator",
        "model.discriminator_parameters",
        count,
        spread=False,
        unless=0.0,
    ),
    _plain(
        "total_parameters",
        "all parameters",
        "model.parameters",
        count,
        spread=False,
        plus=("model", "discriminator_parameters"),
    ),
    _plain(
        "bits_per_token",
        "bits per token",
        "model.bits_per_token",
        fixed(2),
        spread=False,
        default=False,
        derive=_bits_per_token,
    ),
    _plain("bits", "bits per image", "model.bits_per_image", fixed(0), spread=False, default=False),
    _plain("flops", "FLOPs", "model.flops_per_image", operations, spread=False, default=False),
    _plain("steps", "steps", "cost.steps", grouped, spread=False, default=False),
    _plain("images_seen", "images seen", "cost.images_seen", grouped, spread=False, default=False),
    _plain("images_per_second", "images/s", "cost.images_per_second", fixed(1)),
    _plain("time", "time", "cost.train_seconds", duration, spread=False),
    _plain(
        "device_hours",
        "device hours",
        "cost.device_hours",
        significant,
        spread=False,
        default=False,
        derive=_device_hours,
    ),
    _plain(
        "memory",
        "memory",
        "cost.peak_memory_bytes",
        fixed(2),
        unit="GiB",
        scale=2**-30,
        spread=False,
        default=False,
        by_nature=True,
    ),
    _plain(
        "process_memory",
        "process memory",
        "cost.peak_process_bytes",
        fixed(2),
        unit="GiB",
        scale=2**-30,
        spread=False,
        default=False,
    ),
)


def filled(columns: Sequence[Column], results: Sequence[Mapping[str, Any]]) -> list[Column]:
    """The usual columns, and those others that some result has a number for."""
    return [column for column in columns if _is_filled(column, results)]


def _is_filled(column: Column, results: Sequence[Mapping[str, Any]]) -> bool:
    if column.plus:
        return any(number_at(column.plus, result) for result in results)
    if column.default and column.always and column.unless is None:
        return True
    return any(column.value(result) not in (None, column.unless) for result in results)


def usual(columns: Sequence[Column], results: Sequence[Mapping[str, Any]]) -> list[Column]:
    """The columns that a table of `results` shows unasked."""
    return [
        column
        for column in filled(columns, results)
        if column.default and (not column.stands_for or _stands_in(column, results))
    ]


def _stands_in(column: Column, results: Sequence[Mapping[str, Any]]) -> bool:
    return any(
        column.value(result) is not None
        and number_at(("metrics", column.stands_for, "value"), result) is None
        for result in results
    )


def columns_of(results: Sequence[Mapping[str, Any]]) -> list[Column]:
    """All columns that can be shown, in order; metrics this version does not know come last.

    What was measured on continuous latents or masked images follows all that was measured on codes.
    """
    metrics: dict[str, Mapping[str, Any]] = {}
    for result in results:
        metrics.update(result.get("metrics") or {})
    known = {column.key: column for column in COLUMNS}
    variants = {key for key in metrics if key.startswith(VARIANTS)}
    new = [
        Column(
            key=key,
            title=key,
            place=("metrics", key),
            write=significant,
            better=metrics[key].get("better"),
        )
        for key in sorted(set(metrics) - set(known) - variants)
    ]
    end = max(i for i, column in enumerate(COLUMNS) if column.is_metric) + 1
    hard = [*COLUMNS[:end], *new]
    others = [variant_column(p, c) for p in VARIANTS for c in hard if p + c.key in variants]
    return [*hard, *others, *COLUMNS[end:]]


def variant_column(prefix: str, column: Column) -> Column:
    """The column of the same metric, measured otherwise (`VARIANTS`): shown when asked for."""
    return replace(
        column,
        key=prefix + column.key,
        title=f"{prefix.replace('_', ' ')}{column.title}",
        place=("metrics", prefix + column.key),
        always=False,
        default=False,
        by_nature=True,
    )
