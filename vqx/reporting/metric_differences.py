"""How the numbers of two runs differ, where they may be compared at all."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vqx.reporting.columns import ABSENT, Column, columns_of
from vqx.reporting.per_image import PerImage, read_per_image
from vqx.reporting.stamps import images_of, stamp_of
from vqx.reporting.statistics import Interval, mean_interval
from vqx.runs.reading import Run

_BETTER = {True: "better", False: "worse"}


@dataclass(frozen=True, slots=True)
class NumberPair:
    """A number of runs A and B, as written in tables; B - A and the rest are "" where unknown.

    `verdict`: whether B is better or worse by the metric's own direction, or equal. `paired`: the
    mean of B - A over the same images with its interval of 95 %; `sure`: it excludes zero.
    """

    header: str
    a: str
    b: str
    difference: str = ""
    verdict: str = ""
    paired: str = ""
    sure: bool = False


@dataclass(frozen=True, slots=True)
class Metrics:
    """All metrics of either run, and what forbids or limits comparing them: (about, text).

    `images`: how many are paired; `alike`: how two results were both measured, "" if not alike.
    """

    pairs: tuple[NumberPair, ...]
    remarks: tuple[tuple[str, str], ...]
    images: int
    alike: str


def metric_pairs(a: Run, b: Run) -> Metrics:
    """Metrics of two runs. Measured by other protocols or on other images, they have no difference.

    A run without result.json has no metrics.
    """
    results = a.result or {}, b.result or {}
    found = _paired_images(a, b)
    others = _other_images(results, found)
    remarks = [("images", others)] if others else []
    pairs = []
    shown = [column for column in _shown(results) if column.is_metric]
    for column in shown:
        pair = _pair(column, results)
        first, second = (stamp_of(column.key, r, name_images=False) for r in results)
        if first and second and first != second:
            remarks.append((column.title, f"A: {first}; B: {second}"))
        if first and second and (others or first != second):
            pair = replace(pair, difference="", verdict="not comparable")
        elif pair.difference and isinstance(found, tuple):
            pair = _with_interval(pair, column, found)
        pairs.append(pair)
    remarks += [(c.title, text) for c in shown for text in _missing(c.key, results)]
    if isinstance(found, str) and all(results) and not others:
        remarks.append(("per image", f"not compared: {found}"))
    images = 0 if others or isinstance(found, str) else max(map(len, found[0].values.values()))
    return Metrics(tuple(pairs), tuple(remarks), images, _alike(pairs, results, images))


def _alike(pairs: Sequence[NumberPair], results: Sequence[dict[str, Any]], images: int) -> str:
    if not all(results) or any(pair.verdict == "not comparable" for pair in pairs):
        return ""
    known = f"the {images:,} images by their content" if images else "the images by their names"
    return f"protocols of all metrics, {known} ({images_of(results[0])})"


def _shown(results: Sequence[dict[str, Any]]) -> list[Column]:
    """Columns in which at least one of the results has a number."""
    columns = columns_of([result for result in results if result])
    return [column for column in columns if any(column.value(r) is not None for r in results)]


def _pair(column: Column, results: Sequence[dict[str, Any]]) -> NumberPair:
    a, b = (column.value(result) for result in results)
    texts = [ABSENT if value is None else column.text(value) for value in (a, b)]
    pair = NumberPair(column.header, texts[0], texts[1])
    if a is None or b is None:
        return pair
    return replace(pair, difference=signed(column, b - a), verdict=_verdict(column, b - a))


def _with_interval(
    pair: NumberPair, column: Column, images: tuple[PerImage, PerImage]
) -> NumberPair:
    interval = _interval(column, images)
    if interval is None:
        return pair
    if interval.low == interval.high == 0:
        return replace(pair, paired="equal in each")
    return replace(pair, paired=interval_text(column, interval), sure=interval.excludes_zero)


def _verdict(column: Column, difference: float) -> str:
    if difference == 0:
        return "equal"
    if column.better is None or math.isnan(difference):
        return ""
    return _BETTER[(difference > 0) == (column.better == "higher")]


def signed(column: Column, difference: float) -> str:
    """A difference with its sign, in the column's unit; small ones keep two digits."""
    if not math.isfinite(difference):
        return str(difference)
    if difference == 0:
        return "0"
    text = column.text(abs(difference))
    if not any(digit in text for digit in "123456789"):
        text = f"{abs(difference) * column.scale:.2g}"
    return f"{'-' if difference < 0 else '+'}{text}"


def interval_text(column: Column, interval: Interval) -> str:
    """`+0.12 [+0.08, +0.16]`."""
    mean, low, high = (signed(column, x) for x in (interval.mean, interval.low, interval.high))
    return f"{mean} [{low}, {high}]"


def _interval(column: Column, images: tuple[PerImage, PerImage]) -> Interval | None:
    first, second = (one.values.get(column.key) for one in images)
    if first is None or second is None or first.shape != second.shape:
        return None
    return mean_interval((second.astype(float) - first.astype(float)).tolist())


def _paired_images(a: Run, b: Run) -> tuple[PerImage, PerImage] | str:
    """The single images' metrics of two runs, or why they cannot be paired."""
    first, second = read_per_image(a), read_per_image(b)
    if isinstance(first, PerImage) and isinstance(second, PerImage):
        return first, second
    lacking = (("A", first), ("B", second))
    return ", ".join(f"{name} has {text}" for name, text in lacking if isinstance(text, str))


def _other_images(results: Sequence[dict[str, Any]], found: tuple[PerImage, PerImage] | str) -> str:
    """How the images differ that two runs were measured on; "" where they are not known to."""
    if not all(results):
        return ""
    first, second = map(images_of, results)
    if first != second:
        return f"A: {first}; B: {second}"
    if isinstance(found, tuple) and found[0].images != found[1].images:
        return f"other ones under one name, as per_image.npz tells: {first}"
    return ""


def _missing(key: str, results: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Why one of two runs lacks a metric that the other has."""
    for name, result in zip("AB", results, strict=True):
        if key not in (result.get("metrics") or {}) and result:
            reason = (result.get("missing") or {}).get(key, "not measured by this run")
            yield f"missing in {name}: {reason}"


def cost_pairs(a: Run, b: Run) -> tuple[NumberPair, ...]:
    """Sizes and costs of two runs; what differs does so by a factor, and is no better or worse."""
    results = a.result or {}, b.result or {}
    pairs = []
    for column in _shown(results):
        if column.is_metric:
            continue
        pair = _pair(column, results)
        first, second = (column.value(result) for result in results)
        factor = f"x {second / first:.2f}" if first and second and first != second else ""
        equal = "equal" if first == second else ""
        pairs.append(replace(pair, difference=factor, verdict=equal))
    return tuple(pairs)
