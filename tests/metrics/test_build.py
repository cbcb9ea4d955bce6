"""Metrics from configuration: what lacks weights is left out with its reason, nothing else is."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.gloo import GlooPool
from vqx.collectives import rank
from vqx.errors import ConfigError
from vqx.metrics import build_metrics

CONF = Path(__file__).parents[2] / "conf" / "metrics"
IMAGE = {"_target_": "vqx.metrics.ImageErrors"}


def lpips(weights: Path | None) -> dict[str, Any]:
    return {"_target_": "vqx.metrics.Lpips", "weights": weights and str(weights)}


def test_missing_weights_leave_a_reason_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VQX_OFFLINE", "1")
    config = yaml.safe_load((CONF / "default.yaml").read_text())
    for entry in config.values():
        if "cache_dir" in entry:
            entry["cache_dir"] = str(tmp_path)
    metrics, missing = build_metrics(config, device="cpu")
    assert [metric.keys[0] for metric in metrics] == ["l1"]
    assert list(missing) == ["lpips", "rfid", "fd_vgg16"]
    for reason in (missing["lpips"], missing["fd_vgg16"]):
        assert f"python -m vqx.prepare weights --cache-dir {tmp_path}" in reason
        assert "\n" not in reason
    assert f"no inception weights in {tmp_path / 'weights'}" in missing["rfid"]
    assert "put weights-inception-2015-12-05-6726825d.pth, from https://" in missing["rfid"]


def test_all_that_is_there_is_built(alexnet_file: Path) -> None:
    config = {"image": IMAGE, "lpips": lpips(alexnet_file), "rfid": None}
    metrics, missing = build_metrics(config, device="cpu")
    assert [metric.keys for metric in metrics] == [
        ("l1", "l2", "psnr", "psnr_global", "ssim"),
        ("lpips",),
    ]
    assert missing == {}


def test_fast_needs_no_weights() -> None:
    metrics, missing = build_metrics(yaml.safe_load((CONF / "fast.yaml").read_text()), device="cpu")
    assert len(metrics) == 1
    assert not missing


def test_images_too_small_for_a_metric_are_said_at_once(alexnet_file: Path) -> None:
    config = {"image": IMAGE, "lpips": lpips(alexnet_file)}
    metrics, missing = build_metrics(config, device="cpu", image_size=(28, 28))
    assert len(metrics) == 1
    assert missing["lpips"].startswith("lpips of 28x28 px images: at least 31x31")


def test_other_errors_are_not_hidden(alexnet_file: Path) -> None:
    with pytest.raises(ConfigError, match="no Frechet network"):
        build_metrics(
            {"fid": {"_target_": "vqx.metrics.Frechet", "network": "resnet"}}, device="cpu"
        )
    with pytest.raises(Exception, match="no_such_argument"):
        build_metrics({"image": {**IMAGE, "no_such_argument": 1}}, device="cpu")
    with pytest.raises(ConfigError, match="two metrics yield l1, l2"):
        build_metrics({"image": IMAGE, "again": IMAGE}, device="cpu")


def rank_build(weights: Path) -> tuple[list[str], dict[str, str]]:
    os.environ["VQX_OFFLINE"] = "1"
    path = weights if rank() == 0 else None
    entry = {**lpips(path), "cache_dir": str(weights.parent / "empty")}
    metrics, missing = build_metrics({"image": IMAGE, "lpips": entry}, device="cpu")
    return [metric.keys[0] for metric in metrics], missing


def test_ranks_agree_on_what_is_measured(two_ranks: GlooPool, alexnet_file: Path) -> None:
    (first, first_missing), (second, second_missing) = two_ranks(rank_build, alexnet_file)
    assert first == second == ["l1"]
    assert "missing on another machine" in first_missing["lpips"]
    assert "VQX_OFFLINE is set" in second_missing["lpips"]
