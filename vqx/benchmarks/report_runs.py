"""Run folders as many sweeps leave them, made up: for measuring what reads them."""

import json
import os
import random
import shutil
import time
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from vqx.config import composed, run_name
from vqx.runs.configuration import dump_yaml
from vqx.runs.status import State, Status

SEEDS = 3
METRIC_LINES = 200
_QUANTIZERS = ("fsq", "vq", "ema", "lfq", "cosine", "simvq", "bsq", "residual_vq")
_GRID = {  # what sweeps vary beside the quantizer, the fastest first
    "learning_rate": (3e-3, 1e-3, 3e-4, 1e-4, 2e-3, 5e-4, 2e-4, 5e-5),
    "width": (128, 64, 96, 192, 256),
    "batch_size": (32, 64, 16, 128, 256),
    "steps": (400, 800, 1600, 3200, 6400),
    "image_size": (64, 32, 128, 96, 48),
}
# Of 50 runs, these have another end than the others; of 200 folders, one is damaged or no run.
_STATES = {
    7: State.FAILED,
    17: State.RUNNING,
    27: State.INTERRUPTED,
    37: State.COLLAPSED,
    47: State.DIVERGED,
}
_DAMAGED_EVERY = 200
_LINKS = 1000  # names of one file: a file system allows 65,000 at most
_STAMPS = {
    "usage": ("fraction of codes seen on {tokens:,} tokens", "higher"),
    "perplexity": ("exp of the entropy of the codes of {tokens:,} tokens", "higher"),
    "l1": ("mean on [0, 1], rounded to uint8, 900 images", "lower"),
    "l2": ("mean on [0, 1], rounded to uint8, 900 images", "lower"),
    "psnr": ("per image then mean, rounded uint8, range 255, 900 images", "higher"),
    "psnr_global": ("of the mean squared error, rounded uint8, range 255, 900 images", "higher"),
    "ssim": ("gaussian 11x11 sigma 1.5, per image, rounded uint8, range 255, 900 images", "higher"),
    "lpips": ("alex v0.1 443c5bc3, [-1, 1], rounded uint8, 900 images", "lower"),
    "fd_vgg16": ("VGG16 relu5_3 pooled 2ecbe4ce, 900 images", "lower"),
}


def write_runs(runs: Path, count: int) -> None:
    """Write `count` folders below the new folder `runs`: three seeds a configuration.

    The files that a table reads are each run's own; the others are hard links, so that a hundred
    thousand runs take minutes and few bytes.
    """
    runs.mkdir(parents=True)
    bulk = runs.parent / "bulk"
    for number, config in zip(range(count), _configurations(), strict=False):
        if number % _LINKS == 0:
            shutil.rmtree(bulk, ignore_errors=True)
            _write_bulk(bulk)
        folder = runs / run_name(config)
        _write_run(folder, config, _STATES.get(number % 50, State.DONE), bulk)
        if number % _DAMAGED_EVERY == _DAMAGED_EVERY // 2:
            _damage(folder, number // _DAMAGED_EVERY)
    shutil.rmtree(bulk, ignore_errors=True)


def _configurations() -> Iterator[dict[str, Any]]:
    bases = [composed([f"quantizer={name}"]) for name in _QUANTIZERS]
    for values in product(*reversed(_GRID.values())):
        image_size, steps, batch_size, width, learning_rate = values
        for base, seed in product(bases, range(SEEDS)):
            trainer = {"steps": steps, "batch_size": batch_size, "learning_rate": learning_rate}
            yield {
                **base,
                "seed": seed,
                "model": {**base["model"], "width": width},
                "data": {**base["data"], "image_size": image_size},
                "trainer": {**base["trainer"], **trainer},
            }


def _write_run(folder: Path, config: Mapping[str, Any], state: State, bulk: Path) -> None:
    shutil.copytree(bulk, folder, copy_function=os.link)
    noise = random.Random(folder.name)
    (folder / "config.yaml").write_text("".join(dump_yaml({k: v}) for k, v in config.items()))
    steps = config["trainer"]["steps"]
    step = steps if state in (State.DONE, State.COLLAPSED) else steps // 2
    message = {State.DONE: "", State.RUNNING: ""}.get(state, "RuntimeError: out of memory")
    status = Status(
        state=state, host="elsewhere", pid=noise.randrange(1 << 22), step=step, steps=steps
    )
    _write_json(folder / "status.json", {**status.to_json(), "message": message})
    _write_json(folder / "environment.json", _environment(config, noise))
    if state in (State.DONE, State.COLLAPSED):
        _write_json(folder / "result.json", _result(config, folder.name, noise))
    if state == State.FAILED:
        (folder / "error.txt").write_text(f"Traceback (most recent call last):\n  ...\n{message}\n")
    if state == State.RUNNING:
        (folder / "claims/1.released").unlink()


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def _environment(config: Mapping[str, Any], noise: random.Random) -> dict[str, Any]:
    host = f"node{noise.randrange(40)}"
    return {
        "vqx": "0.1.0",
        "git": {
            "commit": "f8add72c0ffee4d5e6f7a8b9c0d1e2f3a4b5c6d7",
            "dirty": False,
            "diff_sha256": None,
            "untracked": [],
        },
        "python": "3.11.7",
        "platform": "Linux-6.1.0-x86_64-with-glibc2.36",
        "host": host,
        "cpu": "AMD EPYC 7B13",
        "cores": 2,
        "variables": {"OMP_NUM_THREADS": "2"},
        "packages": {"torch": "2.14.1", **{f"some-package-{i}": f"1.{i}.0" for i in range(120)}},
        "device": "cpu",
        "devices": 1,
        "command": ["python", "-m", "vqx.train", f"seed={config['seed']}"],
        "seed": config["seed"],
        "own_code": {},
        "sessions": [{"started": "2026-01-01T12:00:00+00:00", "host": host, "pid": noise.random()}],
    }


def _result(config: Mapping[str, Any], name: str, noise: random.Random) -> dict[str, Any]:
    slug, _, signature = name.rpartition("-")
    side = config["data"]["image_size"]
    tokens = (side // 4) ** 2
    cost = _cost(config, noise)
    return {
        "version": "0.1.0",
        "signature": signature,
        "slug": slug,
        "metrics": {
            key: {
                "value": noise.random() * {"psnr": 30, "perplexity": 1000}.get(key, 1),
                "stamp": stamp.format(tokens=900 * tokens),
                "better": better,
            }
            for key, (stamp, better) in _STAMPS.items()
        },
        "missing": {"rfid": "no weights of the FID Inception: run `python -m vqx.prepare weights`"},
        "model": _model(config, tokens),
        "data": {
            "name": "photos",
            "split": "validation",
            "loader": "memory",
            "description": f"photos (validation), 900 images of {side} x {side} px, center crop",
            "images": 900,
            "tokens": 900 * tokens,
            "left_out": [],
            "replaced_in_training": [],
        },
        "cost": cost,
    }


def _model(config: Mapping[str, Any], tokens: int) -> dict[str, Any]:
    return {
        "parameters": 9073 * config["model"]["width"],
        "discriminator_parameters": 0,
        "codebook_size": 1024,
        "codebooks": 1,
        "latent_channels": 4,
        "discrete": True,
        "tokens_per_image": tokens,
        "bits_per_token": 10.0,
        "bits_per_image": 10.0 * tokens,
        "flops_per_image": 30_000 * config["data"]["image_size"] ** 2,
    }


def _cost(config: Mapping[str, Any], noise: random.Random) -> dict[str, Any]:
    images = config["trainer"]["steps"] * config["trainer"]["batch_size"]
    rate = 391 + noise.gauss(0, 6)
    return {
        "device": "cpu",
        "devices": 1,
        "nodes": 1,
        "steps": config["trainer"]["steps"],
        "images_seen": images,
        "train_seconds": images / rate,
        "device_hours": images / rate / 3600,
        "images_per_second": rate,
        "evaluate_seconds": 4 + noise.random(),
        "peak_memory_bytes": None,
        "peak_process_bytes": 900_000_000 + noise.randrange(1 << 20),
    }


def _write_bulk(folder: Path) -> None:
    """What a run leaves beside the files that tell it from others."""
    import numpy as np

    for inner in ("claims", "images", "checkpoints"):
        (folder / inner).mkdir(parents=True)
    (folder / "overrides.yaml").write_text("[]\n")
    (folder / "lock").touch()
    (folder / "claims/1").write_text('{"host": "elsewhere", "pid": 1}')
    (folder / "claims/1.released").touch()
    for name in ("inputs", "outputs"):
        (folder / f"images/{name}.png").write_bytes(b"\x89PNG" + bytes(8000))
    lines = [_metric_line(step * 20) for step in range(1, METRIC_LINES + 1)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    values = np.zeros(900, np.float32)
    digest = np.array("0" * 64)
    per_image: dict[str, Any] = dict.fromkeys(("l1", "l2", "psnr", "ssim", "lpips"), values)
    np.savez(folder / "per_image.npz", images=digest, **per_image)
    entries = np.zeros((1, 64, 8), np.float32)
    np.savez(folder / "codebook.npz", counts=np.ones((1, 1024), np.int64), entries=entries)


def _metric_line(step: int) -> dict[str, Any]:
    losses = dict.fromkeys(("loss", "l1", "l2", "commitment"), 0.123456789 / step)
    codes = {"usage": 0.9, "perplexity": 600.5, "learning_rate": 1e-3, "gradient_norm": 0.5}
    start = {"step": step, "images_seen": 32 * step, "kind": "train", "time": step / 12}
    return {**start, **losses, **codes}


def _damage(folder: Path, kind: int) -> None:
    """Make `folder` torn, foreign or empty, each in turn."""
    match kind % 5:
        case 0:
            shutil.rmtree(folder)
            folder.mkdir()
        case 1:
            (folder / "config.yaml").write_bytes(random.Random(kind).randbytes(3000))
        case 2:
            (folder / "config.yaml").unlink()
        case 3:
            (folder / "result.json").write_text('{"metrics": {"psnr"')
        case _:
            (folder / "environment.json").write_text("[]")
            os.utime(folder, (time.time() - 1e6,) * 2)
