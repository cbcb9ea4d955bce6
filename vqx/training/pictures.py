"""Pictures in a run's folder: reconstructions, codebook use and loss curves.

Shapes: images uint8 (B, C, H, W); Q codebooks of K codes, with b binary digits.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from vqx.runs.files import atomic_file
from vqx.training.evaluation import Evaluation

AMPLIFIED = 3  # a good reconstruction differs too little to be seen
_GAP = 4
_MARGIN = 92
_MINIMUM_SIDE = 96
_BLUE, _RED = "#4477AA", "#BB5566"


def reconstruction_grid(real: Tensor, fake: Tensor) -> Image.Image:
    """Rows input, reconstruction and amplified absolute difference, one column an image.

    Small images are enlarged by whole factors, so that pixels stay pixels.
    """
    difference = (AMPLIFIED * (real.int() - fake.int()).abs()).clamp(0, 255).to(real.dtype)
    rows = [("input", real), ("reconstruction", fake), (f"difference x{AMPLIFIED}", difference)]
    scale = max(1, -(-_MINIMUM_SIDE // real.shape[-1]))
    height, width = real.shape[-2] * scale, real.shape[-1] * scale
    canvas = Image.new(
        "RGB",
        (_MARGIN + real.shape[0] * (width + _GAP), len(rows) * (height + _GAP)),
        "white",
    )
    pen = ImageDraw.Draw(canvas)
    for row, (label, images) in enumerate(rows):
        top = row * (height + _GAP)
        pen.text((4, top + height // 2 - 6), label, fill="black")
        for column, image in enumerate(images.cpu()):
            tile = Image.fromarray(_as_rgb(image)).resize((width, height), Image.Resampling.NEAREST)
            canvas.paste(tile, (_MARGIN + column * (width + _GAP), top))
    return canvas


def _as_rgb(image: Tensor) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = image.permute(1, 2, 0).numpy()
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels[..., :3]


def image_strip(images: Tensor) -> Image.Image:
    """uint8 `images` (B, C, H, W) side by side, without margins: B W by H pixels, RGB."""
    return Image.fromarray(np.concatenate([_as_rgb(image) for image in images.cpu()], axis=1))


def save_picture(image: Image.Image, path: Path) -> None:
    """Write `image` as PNG, complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as file:
        image.save(file, format="PNG")


def plot_use(evaluation: Evaluation, path: Path) -> None:
    """How the evaluation set used the codebooks: code by code, or where they are too many, bits."""
    if evaluation.counts is not None:
        values = {key: evaluation.values[key] for key in ("usage", "perplexity")}
        plot_codebook_use(evaluation.counts, path, **values)
    elif evaluation.bit_entropies is not None:
        plot_bit_entropies(evaluation.bit_entropies, path)


def plot_codebook_use(counts: Tensor, path: Path, *, usage: float, perplexity: float) -> None:
    """Share of tokens of each code, most used first, on a logarithmic axis; `counts` (Q, K).

    Several codebooks are lines, the first one darkest.
    """
    shares = np.sort(counts.cpu().numpy().astype(np.float64), axis=1)[:, ::-1]
    shares = shares / np.maximum(1.0, shares.sum(1, keepdims=True))
    codebooks, codes = shares.shape
    figure, (axes,) = _figure()
    places = np.arange(1, codes + 1)
    if codebooks == 1:
        axes.fill_between(places, shares[0], step="mid", color=_BLUE, lw=0)
    else:
        _plot_lines(axes, places, np.where(shares > 0, shares, np.nan))
    axes.axhline(1 / codes, color=_RED, lw=1, ls="--", label="uniform use")
    of = f"{codebooks} x {codes:,}" if codebooks > 1 else f"{codes:,}"
    axes.set(
        yscale="log",
        xlabel="codes, most used first",
        ylabel="share of tokens",
        title=f"{of} codes: usage {usage:.1%}, perplexity {perplexity:.0f}",
    )
    axes.legend(frameon=False)
    _save(figure, path)


def plot_bit_entropies(entropies: Tensor, path: Path) -> None:
    """Entropy of each binary digit of the code; `entropies` (Q, b) in bits."""
    values = entropies.cpu().numpy()
    codebooks, digits = values.shape
    figure, (axes,) = _figure()
    places = np.arange(digits)
    if codebooks == 1:
        axes.bar(places, values[0], color=_BLUE)
    else:
        _plot_lines(axes, places, values)
        axes.legend(frameon=False)
    of = f"{codebooks} codebooks" if codebooks > 1 else "codes"
    axes.set(
        ylim=(0, 1.02),
        xlabel="binary digit of the code, lowest first",
        ylabel="entropy, bits",
        title=f"{of} of {digits} bits: mean entropy of a bit {values.mean():.3f}",
    )
    _save(figure, path)


def _plot_lines(axes: Any, places: NDArray[Any], values: NDArray[Any]) -> None:
    """A line for each of the codebooks, the first and the last named."""
    last = len(values) - 1
    for index, line in enumerate(values):
        name = f"codebook {index + 1}" if index in (0, last) else None
        axes.plot(places, line, color=_BLUE, alpha=1 - 0.75 * index / last, label=name)


def plot_curves(metrics_file: Path, path: Path, *, terms: Iterable[str] = ("l1", "l2")) -> None:
    """The loss, its `terms` and PSNR over optimizer steps; below, if there, GAN and codes."""
    lines = [json.loads(line) for line in metrics_file.read_text().splitlines()]
    train = [line for line in lines if line["kind"] == "train"]
    players = [line for line in train if "discriminator" in line]
    counted = [line for line in train if "usage" in line]
    figure, panels = _figure(panels=1 + bool(players) + bool(counted))
    plain = [t for t in terms if not any(f"weight_{t}" in line for line in players)]
    _plot_losses(panels[0], train, plain)
    psnr = [(x["step"], x["psnr"]) for x in lines if x["kind"] == "evaluate" and "psnr" in x]
    if psnr:
        right = panels[0].twinx()
        right.plot(*zip(*psnr, strict=True), "o-", color=_RED, label="PSNR (evaluation)")
        right.set_ylabel("evaluation PSNR, dB", color=_RED)
        right.spines[["top"]].set_visible(False)
    if players:
        _plot_players(panels[1], players)
    if counted:
        _plot_health(panels[-1], counted)
    panels[-1].set_xlabel("optimizer steps")
    _save(figure, path)


def _plot_losses(axes: Any, lines: list[dict[str, Any]], terms: Sequence[str]) -> None:
    """The loss and its terms, unweighted, where they are positive."""
    colors = (_BLUE, "#228833", "#CCBB44", "#66CCEE", "#AA3377")
    styles = [*((t, c, "-") for t, c in zip(terms, colors, strict=False)), ("loss", "#222222", ":")]
    for name, color, style in styles:
        points = [(x["step"], x[name]) for x in lines if x.get(name, 0) > 0]
        if points:
            axes.plot(*zip(*points, strict=True), label=name, color=color, ls=style)
    axes.set(ylabel="training loss, images in [-1, 1]", yscale="log")
    axes.legend(frameon=False, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0))


def _plot_players(axes: Any, lines: list[dict[str, Any]]) -> None:
    """What generator and discriminator minimise, and the generator's weight."""
    (weight,) = [key for key in lines[-1] if key.startswith("weight_")]
    steps = [line["step"] for line in lines]
    for name, key, color in (
        ("generator", weight.removeprefix("weight_"), _BLUE),
        ("discriminator", "discriminator", "#228833"),
    ):
        axes.plot(steps, [line[key] for line in lines], label=name, color=color)
    axes.set_ylabel("adversarial loss")
    axes.legend(frameon=False, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    right = axes.twinx()
    right.plot(steps, [line[weight] for line in lines], color=_RED, ls="--")
    right.set_ylim(bottom=0)
    right.set_ylabel("weight of the generator's loss", color=_RED)
    right.spines[["top"]].set_visible(False)


def _plot_health(axes: Any, lines: list[dict[str, Any]]) -> None:
    """Share of codes used between two log lines, and their perplexity."""
    steps = [line["step"] for line in lines]
    axes.plot(steps, [100 * line["usage"] for line in lines], color=_BLUE)
    axes.set(ylim=(0, 105))
    axes.set_ylabel("codes used between log lines, %", color=_BLUE)
    right = axes.twinx()
    right.plot(steps, [line["perplexity"] for line in lines], color=_RED, ls="--")
    right.set_ylim(bottom=0)
    right.set_ylabel("their perplexity", color=_RED)
    right.spines[["top"]].set_visible(False)


def _figure(panels: int = 1) -> tuple[Any, list[Any]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.4 * panels), layout="constrained")
    axes = list(figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0])
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as file:
        figure.savefig(file, dpi=150, format="png")
