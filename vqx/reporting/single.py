"""The table of one run, as printed at its end."""

import shutil
from collections.abc import Mapping
from typing import Any

from vqx.reporting.columns import ABSENT, Column, columns_of
from vqx.reporting.wrapping import hanging
from vqx.runs.durations import duration


def result_table(result: Mapping[str, Any], *, width: int | None = None) -> str:
    """Metrics of a result.json with unit and protocol, what is missing and why, and the costs.

    `width`: columns to fill, default the terminal's. Ends without a newline.
    """
    width = width or min(shutil.get_terminal_size((120, 24)).columns, 140)
    rows = [row for column in columns_of([result]) if (row := _row(column, result))]
    sizes = [max(len(row[i]) for row in rows) for i in range(3)] if rows else [0, 0, 0]
    lines: list[str] = []
    for title, value, unit, how in rows:
        start = f"{title.ljust(sizes[0])}  {value.rjust(sizes[1])} {unit.ljust(sizes[2])}"
        indent = len(start) + 2 if width - len(start) >= 32 else 4
        lines += hanging(start, how, indent=indent, width=width)
    return "\n".join([*lines, "", *_facts(result, width)])


def _row(column: Column, result: Mapping[str, Any]) -> tuple[str, str, str, str] | None:
    """Title, value, unit and stamp; a missing metric has its reason in the stamp's place."""
    if not column.is_metric:
        return None
    title = column.header.removesuffix(column.unit).strip()
    value = column.value(result)
    if value is not None:
        return title, column.text(value), column.unit, str(result["metrics"][column.key]["stamp"])
    reason = (result.get("missing") or {}).get(column.key)
    return None if reason is None else (title, ABSENT, "", f"missing: {reason}")


def _facts(result: Mapping[str, Any], width: int) -> list[str]:
    """Model, training and evaluation, a line each."""
    facts = {
        "model": _model(result["model"]),
        "training": _training(result["cost"]),
        "evaluation": _evaluation(result["data"], result["cost"]),
    }
    indent = max(map(len, facts)) + 2
    return [
        line
        for name, text in facts.items()
        for line in hanging(name, text, indent=indent, width=width)
    ]


def _model(model: Mapping[str, Any]) -> str:
    soft = "" if model["discrete"] else "; not discrete: trained on soft codes"
    codebooks = model.get("codebooks", 1)
    several = f"{codebooks} x " if codebooks > 1 else ""
    adversary = model.get("discriminator_parameters", 0)
    beside = f" (and {adversary / 1e6:.2f} M of the discriminator)" if adversary else ""
    return (
        f"{model['parameters'] / 1e6:.2f} M parameters{beside}, "
        f"{several}{model['codebook_size']:,} codes, "
        f"{model['tokens_per_image']:,} tokens, {model['bits_per_image']:,.0f} bits per image{soft}"
    )


def _training(cost: Mapping[str, Any]) -> str:
    device = f"{cost['devices']} x {cost['device']}" if cost["devices"] != 1 else cost["device"]
    memory, speed = cost["peak_memory_bytes"], cost["images_per_second"]
    pace = f"{speed:,.0f} images/s" if speed else "too short to tell its speed"
    return (
        f"{cost['steps']:,} steps, {cost['images_seen']:,} images in "
        f"{duration(cost['train_seconds'])}: {pace} on {device}"
        + (f", {memory / 2**30:.2f} GiB" if memory else "")
    )


def _evaluation(data: Mapping[str, Any], cost: Mapping[str, Any]) -> str:
    return (
        f"{data['images']:,} images of {data.get('description', data['name'])} in "
        f"{duration(cost['evaluate_seconds'])}{_left_out(data['left_out'], 'left out')}"
        f"{_left_out(data.get('replaced_in_training', []), 'replaced in training')}"
    )


def _left_out(names: list[str], fate: str) -> str:
    if not names:
        return ""
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f", {len(names)} unreadable {fate}: {shown}"
