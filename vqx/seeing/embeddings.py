"""Where the entries of a codebook lie, and which of them are used: PCA, and UMAP if there is.

Axes: K codes, D latent width, Q codebooks.
"""

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vqx.quantizers import Quantizer
from vqx.quantizers.entries import codebook_entries
from vqx.reporting.pictures.scatter import (
    FEWEST_UMAP,
    LARGEST_UMAP,
    find_umap,
    scatter_codes,
    umap_neighbours,
    umap_places,
)
from vqx.runs.files import atomic_file
from vqx.seeing.principal_axes import LARGEST_DRAWN, Moments, PrincipalAxes

UMAP_MISSING = "embeddings.png is of PCA alone: pip install umap-learn puts UMAP beside it"
_CODEBOOKS = 4


def plot_embeddings(
    quantizer: Quantizer, counts: Tensor | None, path: Path, *, images: str
) -> list[str]:
    """Plot the entries of each codebook, coloured by `counts` (Q, K) of use on `images`.

    Returns what a user should know of what was left out, a line each; no picture is made of more
    than 2^16 codes.
    """
    size = quantizer.codebook_size
    if size > LARGEST_DRAWN or counts is None:
        return [f"no embeddings.png: of {size:,} codes, it shows {LARGEST_DRAWN:,} at most"]
    umap = find_umap()
    notes = [] if umap else [UMAP_MISSING]
    if umap and not FEWEST_UMAP <= size <= LARGEST_UMAP:
        umap = None
        notes.append(f"no UMAP of {size:,} codes: only of {FEWEST_UMAP} to {LARGEST_UMAP:,}")
    shown = min(quantizer.codebooks, _CODEBOOKS)
    if shown < quantizer.codebooks:
        notes.append(f"embeddings.png: the first {shown} of {quantizer.codebooks} codebooks")
    figure, panels = _figure(shown, 2 if umap else 1)
    for index in range(shown):
        entries = codebook_entries(quantizer, index)
        _draw_row(panels[index], entries, counts[index].cpu(), umap, _title(quantizer, index))
    title = f"codebook entries, coloured by use on {images}"
    figure.suptitle(textwrap.fill(title, 60 * panels.shape[1]), fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as file:
        figure.savefig(file, dpi=150, format="png")
    return notes


def _figure(rows: int, columns: int) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4 * columns, 5.2 * rows + 0.3), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def _title(quantizer: Quantizer, index: int) -> str:
    return f"codebook {index + 1}: " if quantizer.codebooks > 1 else ""


def _draw_row(panels: Any, entries: Tensor, counts: Tensor, umap: Any, title: str) -> None:
    """PCA, and UMAP if given, of `entries` (K, D) used `counts` (K,) times."""
    used = int((counts > 0).sum())
    places, labels = _principal_places(entries, counts)
    use, span = counts.numpy(), (1, max(2, int(counts.max())))
    drawn = scatter_codes(panels[0], places, use, span=span)
    panels[0].set(xlabel=labels[0], ylabel=labels[1])
    panels[0].set_title(f"{title}PCA of {len(counts):,} codes, {used:,} used", fontsize=10)
    if umap is not None:
        flat = umap_places(umap, entries.numpy())
        drawn = scatter_codes(panels[1], flat, use, span=span) or drawn
        neighbours = umap_neighbours(len(entries))
        panels[1].set_title(f"{title}UMAP, {neighbours} neighbours", fontsize=10)
        panels[1].set(xticks=[], yticks=[])
        panels[1].spines[:].set_visible(False)
    if drawn is not None:
        bar = panels[-1].figure.colorbar(drawn, ax=list(panels), pad=0.01)
        bar.set_label("times used (grey: never)")


def _principal_places(
    entries: Tensor, counts: Tensor
) -> tuple[NDArray[np.float64], tuple[str, str]]:
    """Places (K, 2) of `entries` (K, D) on their principal axes, and the axes' names.

    A grid, as FSQ's, has many codes at one place of its own axes: there each code weighs as often
    as it is used, which turns the axes.
    """
    axes, what = _axes(entries, torch.ones(len(entries))), "variance"
    places = axes.project(entries)
    if len(places.mul(1e4).round().unique(dim=0)) <= len(places) / 2 and int(counts.sum()):
        axes, what = _axes(entries, counts), "variance, as used"
        places = axes.project(entries)
    lines = places.new_zeros(len(places), 2 - places.shape[1])  # a single channel: a line
    names = [f"axis {i}: {share:.0%} of {what}" for i, share in enumerate(axes.shares, start=1)]
    return torch.cat([places, lines], dim=1).numpy(), (names[0], names[1] if names[1:] else "")


def _axes(entries: Tensor, weights: Tensor) -> PrincipalAxes:
    moments = Moments(entries.shape[1])
    moments.add(entries, weights=weights)
    return moments.principal_axes(2)


def used(codes: Tensor, *, codebook_size: int, codebooks: int) -> Tensor:
    """How often each code is in `codes` (h, w) or (h, w, Q): (Q, K) int64."""
    columns = codes.reshape(-1, codebooks).cpu()
    return torch.stack(
        [torch.bincount(c[c >= 0], minlength=codebook_size) for c in columns.unbind(1)]
    )
