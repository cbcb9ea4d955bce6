"""A cache that travels: published files become its own, and a copy of the folder is enough."""

import dataclasses
import shutil
import socket
from pathlib import Path

import pytest
import torch

from tests.pretrained.weights import random_convolutions
from vqx.losses.perceptual import LpipsLoss
from vqx.metrics import build_metrics
from vqx.pretrained import inception_features, weights_digest
from vqx.pretrained.catalogue import CATALOGUE, INCEPTION
from vqx.pretrained.files import load_tensors, save_tensors, sha256_of
from vqx.pretrained.lookup import cache_folder, cached_path, published_path
from vqx.pretrained.preparation import fill_cache, inspect_cache, suffices, table

METRICS = {
    "lpips": {"_target_": "vqx.metrics.Lpips"},
    "fd_vgg16": {"_target_": "vqx.metrics.Frechet", "network": "vgg16"},
    "rfid": {"_target_": "vqx.metrics.Frechet", "network": "inception"},
}


@pytest.fixture
def cache(tmp_path: Path, inception_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """AlexNet and VGG16 as the cache keeps them, the Inception as published, put there by hand."""
    monkeypatch.setenv("VQX_OFFLINE", "1")
    known = dataclasses.replace(INCEPTION, sha256_prefix=sha256_of(inception_file)[:8])
    monkeypatch.setitem(CATALOGUE, "inception", known)
    folder = tmp_path / "cache"
    for network in ("alexnet", "vgg16"):
        save_tensors(random_convolutions(network), cached_path(CATALOGUE[network], folder))
    shutil.copy(inception_file, published_path(INCEPTION, folder))
    return folder


def filled(cache: Path) -> list[str]:
    said: list[str] = []
    assert suffices(fill_cache(cache, say=said.append))
    return said


def test_a_published_file_becomes_safetensors_with_the_same_name_in_stamps(
    cache: Path, inception_file: Path
) -> None:
    assert inspect_cache(cache)[2].path == published_path(INCEPTION, cache)
    filled(cache)
    converted = cached_path(INCEPTION, cache)
    assert converted.suffix == ".safetensors"
    ours, published = load_tensors(converted), load_tensors(inception_file)
    assert ours.keys() == published.keys()
    assert all(torch.equal(ours[name], published[name]) for name in ours)
    assert weights_digest(converted) == sha256_of(inception_file)
    published_path(INCEPTION, cache).unlink()
    assert filled(cache) == []
    assert sha256_of(inception_file)[:12] in table(inspect_cache(cache))


def test_a_wrong_published_file_is_not_taken(cache: Path) -> None:
    torch.save({"fc.weight": torch.ones(2)}, published_path(INCEPTION, cache))
    assert any("has a wrong checksum" in line for line in filled(cache))
    assert not cached_path(INCEPTION, cache).exists()


def test_our_own_file_comes_before_the_published_one(cache: Path) -> None:
    filled(cache)
    _, path = inception_features(cache_dir=cache)
    assert path == cached_path(INCEPTION, cache)


@pytest.mark.slow  # builds the Inception
def test_a_copy_of_the_folder_builds_all_metrics_and_losses_without_a_network(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(cache)
    published_path(INCEPTION, cache).unlink()
    elsewhere = tmp_path / "another machine"
    shutil.copytree(cache_folder(cache), cache_folder(elsewhere))
    shutil.rmtree(cache)

    def forbidden(*arguments: object, **keywords: object) -> None:
        raise AssertionError("asked the network")

    monkeypatch.delenv("VQX_OFFLINE")
    monkeypatch.setattr(socket, "socket", forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    config = {name: {**node, "cache_dir": str(elsewhere)} for name, node in METRICS.items()}
    metrics, missing = build_metrics(config, device="cpu")
    assert ([key for m in metrics for key in m.keys], missing) == (list(METRICS), {})
    for net in ("alex", "vgg"):
        LpipsLoss(net, cache_dir=elsewhere)
