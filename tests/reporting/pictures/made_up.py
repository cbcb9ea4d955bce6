"""Whole run folders as training leaves them, made up: curves, code counts, entries and images.

Axes: K codes, Q codebooks, D latent width, N images, H W pixels.
"""

import json
import math
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.runs.synthetic import config_of, result_of, write_run
from vqx.reporting.frame import Frame, build_frame
from vqx.runs.reading import read_runs
from vqx.runs.status import State

SEEDS = (0, 1, 2)
TOKENS = 40_000


def configs(count: int = 14, *, seeds: Iterable[int] = SEEDS) -> list[dict[str, Any]]:
    """Configurations of `count` rows, up to 14, each with all `seeds`."""
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("fsq", {}),
        ("vq", {}),
        ("ema", {}),
        ("fsq", _levels(8, 8, 16)),
        ("vq", _size(256)),
        ("ema", _size(256)),
        ("fsq", _levels(8, 6, 5)),
        ("vq", _size(4096)),
        ("ema", _size(4096)),
        ("vq", {"quantizer__beta": 1.0}),
        ("ema", {"quantizer__decay": 0.8}),
        ("fsq", _levels(7, 5, 5, 5, 5)),
        ("vq", {"quantizer___target_": "vqx.quantizers.SimVQ"}),
        ("vq", {"quantizer___target_": "vqx.quantizers.CosineVQ"}),
    ]
    return [config_of(k, seed=seed, **changes) for k, changes in kinds[:count] for seed in seeds]


def _levels(*levels: int) -> dict[str, Any]:
    return {"levels": list(levels), "quantizer__levels": list(levels)}


def _size(size: int) -> dict[str, Any]:
    return {"codebook_size": size, "quantizer__codebook_size": size}


def codes_of(config: dict[str, Any]) -> int:
    """The codebook size of a configuration."""
    levels = config.get("levels")
    return math.prod(levels) if levels else int(config["codebook_size"])


def write_whole(runs: Path, config: dict[str, Any], **options: Any) -> Path:
    """A finished run with all its files; `options`: of `write_run`, and `discrete`."""
    codes, seed = codes_of(config), int(config["seed"])
    row = json.dumps({**config, "seed": None}, sort_keys=True)
    taste = random.Random(row)  # what the seeds of a row share
    noise = random.Random(row + str(seed))
    psnr = 18.5 + 0.75 * math.log2(codes) + taste.gauss(0, 0.9) + noise.gauss(0, 0.15)
    result = result_of(config, psnr=psnr)
    result["model"].update(
        codebook_size=codes,
        bits_per_image=64 * math.log2(codes),
        discrete=options.pop("discrete", True),
        parameters=580_000 + taste.randrange(400_000),
    )
    rng = np.random.default_rng(noise.randrange(2**32))
    alive = 1.0 if "levels" in config else taste.uniform(0.3, 1.0)
    counts = code_counts(rng, codes, slope=taste.uniform(0.2, 1.4), alive=alive)
    result["metrics"]["usage"]["value"] = float((counts > 0).mean())
    folder = write_run(runs, config, result=result, **options)
    write_metrics(folder, curve(noise, psnr=psnr, usage=float((counts > 0).mean())))
    write_codebook(folder, counts, entries(rng, config, codes))
    write_images(folder, rng, blur=max(0.2, (34 - psnr) / 6))
    write_per_image(folder, rng, psnr)
    return folder


def code_counts(
    rng: np.random.Generator, codes: int, *, slope: float, alive: float
) -> NDArray[np.int64]:
    """Counts (1, K) of `TOKENS` tokens by a power law over a share `alive` of shuffled codes."""
    shares = np.where(np.arange(codes) < alive * codes, (np.arange(codes) + 5.0) ** -slope, 0.0)
    counts = rng.multinomial(TOKENS, shares / shares.sum())
    return rng.permutation(counts)[None].astype(np.int64)


def entries(rng: np.random.Generator, config: dict[str, Any], codes: int) -> NDArray[np.float32]:
    """Entries (1, K, D): the grid of FSQ, else clusters in 16 dimensions."""
    if levels := config.get("levels"):
        grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in levels], indexing="ij"), -1)
        return grid.reshape(1, codes, len(levels)).astype(np.float32)
    centres = rng.normal(size=(6, 16))
    found = centres[rng.integers(6, size=codes)] + 0.4 * rng.normal(size=(codes, 16))
    return found[None].astype(np.float32)


def curve(
    noise: random.Random, *, psnr: float, usage: float, steps: int = 800
) -> list[dict[str, Any]]:
    """Lines of metrics.jsonl: a log line every 20 steps, an evaluation every 100."""
    lines: list[dict[str, Any]] = []
    rate = noise.uniform(0.08, 0.12)  # seconds a step
    for step in range(20, steps + 1, 20):
        rise = 1 - math.exp(-4 * step / steps)
        head = {"step": step, "images_seen": 32 * step, "time": round(step * rate, 3)}
        value = {"loss": 0.02 + 0.2 * (1 - rise) + noise.gauss(0, 0.002)}
        value["usage"] = max(0.0, min(1.0, usage * rise + noise.gauss(0, 0.01)))
        lines.append({**head, "kind": "train", **value})
        if step % 100 == 0:
            measured = {"psnr": psnr - 6 * (1 - rise) + noise.gauss(0, 0.05), "usage": usage * rise}
            lines.append({**head, "kind": "evaluate", **measured})
    return lines


def write_metrics(folder: Path, lines: Sequence[dict[str, Any]]) -> None:
    """metrics.jsonl."""
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def write_codebook(
    folder: Path, counts: NDArray[np.int64], values: NDArray[np.float32] | None = None
) -> None:
    """codebook.npz of `counts` (Q, K) and entries (Q, K, D)."""
    arrays: dict[str, Any] = {"counts": counts}
    if values is not None:
        arrays.update(entries=values, codes=np.arange(values.shape[1], dtype=np.int64))
    np.savez(folder / "codebook.npz", **arrays)


def pictures(size: int = 28, *, count: int = 8, variant: int = 0) -> NDArray[np.uint8]:
    """Images (N, H, W), the same for each `variant`: shapes on a gradient."""
    rng = np.random.default_rng(variant)
    y, x = np.mgrid[:size, :size] / size
    found = []
    for _ in range(count):
        cx, cy, r = [*rng.uniform(0.3, 0.7, 2).tolist(), rng.uniform(0.15, 0.35)]
        disc = ((x - cx) ** 2 + (y - cy) ** 2 < r**2) * rng.uniform(0.4, 1)
        bar = (np.abs(x * rng.normal() + y * rng.normal()) < 0.08) * 0.8
        found.append(np.clip(0.15 * x + disc + bar, 0, 1) * 255)
    return np.array(found).astype(np.uint8)


def write_images(
    folder: Path, rng: np.random.Generator, *, blur: float, size: int = 28, variant: int = 0
) -> None:
    """images/inputs.png and images/outputs.png, side by side."""
    from scipy.ndimage import gaussian_filter

    real = pictures(size, variant=variant)
    fake = np.stack([gaussian_filter(image.astype(float), blur) for image in real])
    fake = np.clip(fake + rng.normal(0, 4, fake.shape), 0, 255).astype(np.uint8)
    (folder / "images").mkdir(exist_ok=True)
    for name, images in (("inputs", real), ("outputs", fake)):
        Image.fromarray(np.concatenate(list(images), axis=1)).save(
            folder / "images" / f"{name}.png"
        )


def write_per_image(folder: Path, rng: np.random.Generator, psnr: float, count: int = 900) -> None:
    """per_image.npz."""
    values = {
        "psnr": rng.normal(psnr, 2, count),
        "ssim": rng.uniform(0.6, 0.9, count),
        "l1": rng.uniform(0.02, 0.05, count),
        "l2": rng.uniform(0.001, 0.005, count),
        "lpips": rng.uniform(0.1, 0.3, count),
    }
    arrays: dict[str, Any] = {key: value.astype(np.float32) for key, value in values.items()}
    np.savez(folder / "per_image.npz", **arrays, images=np.array("ab" * 32))


def frame_of(runs: Path) -> Frame:
    """The frame of all runs below `runs`."""
    return build_frame(read_runs([str(runs)])[0])


def made_up_frame(
    runs: Path, *, rows: int = 3, seeds: Iterable[int] = SEEDS, failed: bool = False
) -> Frame:
    """A frame of `rows` rows of whole runs; `failed`: and one whose runs all failed."""
    for config in configs(rows, seeds=seeds):
        write_whole(runs, config)
    if failed:
        broken = config_of("vq", quantizer__beta=64.0)
        write_run(runs, broken, state=State.FAILED, message="RuntimeError: out of memory")
    return frame_of(runs)
