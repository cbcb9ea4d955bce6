"""The curves in a run's metrics.jsonl, thinned to what a screen can show."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vqx.errors import VqxError
from vqx.reporting.page.limits import POINTS

Line = dict[str, Any]
_AXES = ("step", "images_seen", "kind", "time")


def read_lines(path: Path) -> tuple[list[Line], int]:
    """The whole lines of a metrics.jsonl, and how many others there are but a torn last one.

    Raises VqxError when there is no such file.
    """
    try:
        texts = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError as error:
        raise VqxError(f"no {path.name}") from error
    except OSError as error:
        raise VqxError(f"{path.name} cannot be read ({error.strerror})") from error
    try:
        found = json.loads(b"[%s]" % b",".join(texts))  # at once: several times as fast
    except (ValueError, RecursionError):
        found = [_parsed(text) for text in texts]
    lines = [line for line in found if _is_line(line)]
    return lines, len(found) - len(lines)


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _is_line(line: Any) -> bool:
    is_named = isinstance(line, dict) and isinstance(line.get("kind"), str)
    return is_named and _number(line.get("step")) is not None


def thinned(lines: Sequence[Line], *, points: int = POINTS) -> list[Line]:
    """At most about `points` of `lines`: the last in each of equal spans of steps, and the first.

    Spans depend on the last step alone, so that the seeds of a row keep the same steps.
    """
    if len(lines) <= points:
        return list(lines)
    last = max(line["step"] for line in lines)
    kept = {math.ceil(line["step"] * points / last): line for line in lines}
    first = [] if lines[0] is next(iter(kept.values())) else [lines[0]]
    return [*first, *kept.values()]


def curves_of(lines: Sequence[Line]) -> dict[str, dict[str, Any]]:
    """Columns by kind of line: `step`, `images`, `hours`, and in `values` all other numbers.

    What a line lacks, or is not finite, is None. Where images follow from steps there is
    `images_per_step` instead of `images`.
    """
    kinds = dict.fromkeys(line["kind"] for line in lines)
    return {kind: _columns([line for line in lines if line["kind"] == kind]) for kind in kinds}


def _columns(lines: Sequence[Line]) -> dict[str, Any]:
    lines = thinned(lines)
    keys = dict.fromkeys(key for line in lines for key in line if key not in _AXES)
    values = {str(key): _column(lines, key) for key in keys}
    steps, images = (_column(lines, key, digits=15) for key in ("step", "images_seen"))
    per_step = {i / s if i is not None and s else None for i, s in zip(images, steps, strict=True)}
    one = per_step.pop() if len(per_step) == 1 else None
    return {
        "step": steps,
        **({"images": images} if one is None else {"images_per_step": one}),
        "hours": _column(lines, "time", scale=1 / 3600),
        "values": {k: v for k, v in values.items() if any(x is not None for x in v)},
    }


def _column(
    lines: Sequence[Mapping[str, Any]], key: str, *, scale: float = 1.0, digits: int = 5
) -> list[float | None]:
    numbers = [_number(line.get(key)) for line in lines]
    return [None if x is None else short(x * scale, digits=digits) for x in numbers]


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and math.isfinite(value) else None  # type: ignore[arg-type,return-value]


def short(value: float, *, digits: int) -> float | int:
    """`value` with so many significant digits, whole numbers as such: it is for the eye."""
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 2**53 else rounded
