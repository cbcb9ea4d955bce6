"""Run folders as a sweep leaves them, made up: for tests of whatever reads them."""

import json
import math
import random
import time
from pathlib import Path
from typing import Any

import yaml

from vqx.config import run_name, signature
from vqx.runs.status import State, Status

STAMPS = {
    "usage": "fraction of codes seen on 230,400 tokens",
    "perplexity": "exp of the entropy of the codes of 230,400 tokens",
    "l1": "mean on [0, 1], rounded to uint8, 900 images",
    "l2": "mean on [0, 1], rounded to uint8, 900 images",
    "psnr": "per image then mean, rounded uint8, range 255, 900 images",
    "ssim": "gaussian 11x11 sigma 1.5, per image, rounded uint8, range 255, 900 images",
    "lpips": "alex v0.1 443c5bc3, [-1, 1], rounded uint8, 900 images",
    "fd_vgg16": "VGG16 relu5_3 pooled 2ecbe4ce, 900 images",
}
BETTER = {
    **dict.fromkeys(("usage", "perplexity", "psnr", "ssim"), "higher"),
    **dict.fromkeys(("l1", "l2", "lpips", "fd_vgg16"), "lower"),
}
NO_RFID = (
    "no weights of the FID Inception: on a machine with network run `python -m vqx.prepare weights`"
)

QUANTIZERS: dict[str, dict[str, Any]] = {
    "fsq": {
        "levels": [8, 5, 5, 5],
        "quantizer": {"_target_": "vqx.quantizers.FSQ", "levels": [8, 5, 5, 5]},
    },
    "vq": {
        "codebook_size": 1024,
        "quantizer": {
            "_target_": "vqx.quantizers.VQ",
            "codebook_size": 1024,
            "latent_channels": 64,
            "beta": 0.25,
        },
    },
    "ema": {
        "codebook_size": 1024,
        "quantizer": {
            "_target_": "vqx.quantizers.EMA",
            "codebook_size": 1024,
            "latent_channels": 64,
            "decay": 0.99,
            "init": "kmeans",
            "restart": {"_target_": "vqx.quantizers.Restart", "threshold": 1.0, "every": 20},
        },
    },
}


def config_of(choice: str = "fsq", /, *, seed: int = 0, **changes: Any) -> dict[str, Any]:
    """A resolved configuration like those of conf/; `changes` has dotted keys, dots as `__`."""
    config: dict[str, Any] = {
        "seed": seed,
        "results": "results",
        "cache_dir": "/home/somebody/.cache/vqx",
        **json.loads(json.dumps(QUANTIZERS[choice])),
        "model": {
            "_target_": "vqx.models.conv_autoencoder",
            "downsampling": 4,
            "width": 128,
            "residual_blocks": 2,
            "residual_width": 32,
        },
        "loss": {
            "l1": {"_target_": "vqx.losses.L1", "weight": 0.0, "start": 0},
            "l2": {"_target_": "vqx.losses.L2", "weight": 1.0, "start": 0},
        },
        "data": {"name": "photos", "_target_": "vqx.data.photos", "image_size": 64, "workers": 2},
        "trainer": {
            "steps": 800,
            "batch_size": 32,
            "devices": 1,
            "precision": "fp32",
            "learning_rate": 1e-3,
            "betas": [0.9, 0.99],
            "ema_decay": None,
            "log_every": 20,
        },
        "logger": {"_target_": "vqx.training.loggers.NoLogger"},
    }
    for key, value in changes.items():
        *path, last = key.split("__")
        node = config
        for part in path:
            node = node.setdefault(part, {})
        node[last] = value
    return config


def result_of(config: dict[str, Any], *, psnr: float = 25.0, fd: bool = True) -> dict[str, Any]:
    """A result.json for `config`; other metrics follow `psnr`, with noise from the seed."""
    noise = random.Random(signature(config))
    mse = 10 ** (-psnr / 10)
    values = {
        "usage": min(1.0, 0.93 + noise.gauss(0, 0.01)),
        "perplexity": 610 + noise.gauss(0, 9),
        "l1": math.sqrt(mse) * 0.7,
        "l2": mse,
        "psnr": psnr,
        "ssim": 0.81 + (psnr - 25) / 50,
        "lpips": 0.19 - (psnr - 25) / 80,
        **({"fd_vgg16": 42.3 - 4 * (psnr - 25)} if fd else {}),
    }
    rate = 391 + noise.gauss(0, 6)
    return {
        "version": "0.1.0",
        "signature": signature(config),
        "slug": run_name(config).rpartition("-")[0],
        "metrics": {
            key: {"value": value, "stamp": STAMPS[key], "better": BETTER[key]}
            for key, value in values.items()
        },
        "missing": {"rfid": NO_RFID},
        "model": {
            "parameters": 1_187_000,
            "codebook_size": config.get("codebook_size", 1000),
            "latent_channels": 4,
            "discrete": True,
            "tokens_per_image": 256,
            "bits_per_image": 2551.3,
        },
        "data": {
            "name": "photos",
            "split": "validation",
            "images": 900,
            "tokens": 230_400,
            "left_out": [],
        },
        "cost": {
            "device": "AMD EPYC 7B13",
            "devices": 1,
            "steps": 800,
            "images_seen": 25_600,
            "train_seconds": 25_600 / rate,
            "images_per_second": rate,
            "evaluate_seconds": 4.2,
            "peak_memory_bytes": None,
        },
    }


def environment_of(**changes: Any) -> dict[str, Any]:
    """An environment.json."""
    return {
        "vqx": "0.1.0",
        "git": {"commit": "f8add72c0ffee", "dirty": False, "diff_sha256": None, "untracked": []},
        "python": "3.11.7",
        "host": "node1",
        "packages": {"torch": "2.14.1", **{f"package-{i}": "1.0" for i in range(120)}},
        "device": "AMD EPYC 7B13",
        "devices": 1,
        "command": ["python", "-m", "vqx.train"],
        "seed": 0,
        "sessions": [{}],
        **changes,
    }


def write_run(
    runs: Path,
    config: dict[str, Any],
    *,
    state: State = State.DONE,
    result: dict[str, Any] | None = None,
    environment: dict[str, Any] | None = None,
    **status: Any,
) -> Path:
    """Write one run folder below `runs`; a done run gets a result if none is given."""
    folder = runs / run_name(config)
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.dump(config, sort_keys=False, Dumper=yaml.CSafeDumper))
    (folder / "overrides.yaml").write_text("[]\n")
    fields = {"host": "elsewhere", "pid": 1, "step": 800, "steps": 800, **status}
    record = Status(state=state, **{"heartbeat": time.time(), **fields})
    (folder / "status.json").write_text(json.dumps(record.to_json()))
    if state != State.QUEUED:
        environment = environment if environment is not None else environment_of()
        (folder / "environment.json").write_text(json.dumps(environment))
    if state == State.DONE or result is not None:
        (folder / "result.json").write_text(json.dumps(result or result_of(config)))
    return folder
