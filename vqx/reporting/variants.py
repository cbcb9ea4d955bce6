"""A row's metrics once more, as measured on something else than whole images rebuilt from codes."""

from collections.abc import Mapping, Sequence
from typing import Any

from vqx.reporting.columns import MASKED, SOFT, Column, variant_column
from vqx.reporting.frame import Row
from vqx.reporting.statistics import summarize


def soft_numbers(row: Row, metrics: Sequence[Column]) -> str:
    """Each metric shown as measured on what the decoder was trained on, beginning with "; "."""
    pairs = _pairs(row, metrics, SOFT, "from codes")
    return f"; from the continuous mixture: {pairs}" if pairs else ""


def masked_numbers(row: Row, metrics: Sequence[Column]) -> str:
    """Each metric shown as measured with patches dropped at the input, and how many; "" if none."""
    pairs = _pairs(row, metrics, MASKED, "unmasked")
    if not pairs:
        return ""
    soft = _pairs(row, metrics, MASKED + SOFT, "unmasked, from codes")
    also = f"; from the continuous mixture: {soft}" if soft else ""
    return f"masked{_share(row)}: {pairs}{also}"


def _share(row: Row) -> str:
    """` 50 % in patches of 32 px`, as far as the configuration tells."""
    trainer = row.runs[0].config.get("trainer") or {}
    share, patch = trainer.get("mask_share"), trainer.get("mask_patch")
    text = f" {100 * share:g} %" if isinstance(share, int | float) else ""
    return f"{text} in patches of {patch} px" if patch else text


def _pairs(row: Row, metrics: Sequence[Column], prefix: str, usual: str) -> str:
    """`PSNR 31.00 dB (25.00 from codes), ...` for metrics that `row` has both ways."""
    keys = {key for result in row.results for key in result.get("metrics") or {}}
    if not any(key.startswith(prefix) for key in keys):
        return ""
    pairs = []
    for column in metrics:
        plain, other = (_mean(c, row.results) for c in (column, variant_column(prefix, column)))
        if plain is not None and other is not None:
            unit = f" {column.unit}" if column.unit else ""
            pairs.append(f"{column.title} {other}{unit} ({plain} {usual})")
    return ", ".join(pairs)


def _mean(column: Column, results: Sequence[Mapping[str, Any]]) -> str | None:
    values = [value for result in results if (value := column.value(result)) is not None]
    summary = summarize(values)
    return None if summary is None else column.text(summary.mean)
