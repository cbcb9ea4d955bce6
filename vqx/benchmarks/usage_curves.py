"""The picture of codebook usage over training, a line a row with a band over its seeds.

Axes: S seeds, T log lines.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqx.runs.files import atomic_file

# Paul Tol's "bright", and black: told apart with any colour vision.
_COLORS = ("#4477AA", "#EE6677", "#228833", "#CCBB44", "#66CCEE", "#AA3377", "#777777", "#222222")
_PANELS = {"ema": "EMA", "": "others"}  # label's first word -> title; "": all other words
_REMEDY = " + "  # what follows it in a label is a remedy: the same colour, solid instead of dashed


def plot_usage(curves: Mapping[str, Sequence[Path]], path: Path) -> None:
    """Usage in each log window over optimizer steps; `curves`: metrics.jsonl of a row's seeds."""
    from matplotlib.figure import Figure

    groups = {word: [label for label in curves if _panel(label) == word] for word in _PANELS}
    shown = {word: labels for word, labels in groups.items() if labels}
    figure = Figure(figsize=(5.2 * len(shown), 4.8), layout="constrained")
    panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for axes, (word, labels) in zip(panels, shown.items(), strict=True):
        axes.set(title=_PANELS[word], xlabel="optimizer steps", yscale="log")
        _draw(axes, {label: curves[label] for label in labels})
    panels[0].set_ylabel("codes used in a log window")
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as file:
        figure.savefig(file, dpi=150, format="png")


def _draw(axes: Any, curves: Mapping[str, Sequence[Path]]) -> None:
    """Mean line and band from least to most for each row; one colour for a row and its remedy."""
    from matplotlib.ticker import PercentFormatter

    bases = list(dict.fromkeys(label.split(_REMEDY)[0] for label in curves))
    for label, files in curves.items():
        if (read := usage_over_steps(files)) is None:
            continue
        steps, usage = read
        color = _COLORS[bases.index(label.split(_REMEDY)[0]) % len(_COLORS)]
        bare = any(other.startswith(label + _REMEDY) for other in curves)
        axes.plot(steps, usage.mean(0), color=color, ls="--" if bare else "-", label=label)
        axes.fill_between(steps, usage.min(0), usage.max(0), color=color, alpha=0.2, lw=0)
    axes.set_yticks([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0], minor=False)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.minorticks_off()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#DDDDDD", lw=0.6)
    axes.legend(frameon=False, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.15))


def _panel(label: str) -> str:
    word = label.split()[0]
    return word if word in _PANELS else ""


def usage_over_steps(
    files: Sequence[Path],
) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
    """Steps (T,) that all `files` have logged and usage (S, T) there; None where none has."""
    seeds = [points for file in files if file.exists() and (points := _points(file))]
    steps = sorted(set.intersection(*map(set, seeds))) if seeds else []
    if not steps:
        return None
    return np.array(steps), np.array([[points[step] for step in steps] for points in seeds])


def _points(file: Path) -> dict[int, float]:
    lines = (json.loads(line) for line in file.read_text().splitlines())
    return {x["step"]: x["usage"] for x in lines if x["kind"] == "train" and "usage" in x}
