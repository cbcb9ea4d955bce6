"""Where weights are looked for, and what is said when they are nowhere."""

from pathlib import Path

import pytest

from vqx.errors import ConfigError, WeightsMissing
from vqx.pretrained import cache_folder, find_weights
from vqx.pretrained.catalogue import CATALOGUE


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VQX_OFFLINE", "1")


def test_the_cache_is_the_given_one_else_the_environments_else_the_homes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VQX_CACHE", str(tmp_path / "environment"))
    assert cache_folder(tmp_path / "given") == tmp_path / "given" / "weights"
    assert cache_folder() == tmp_path / "environment" / "weights"
    monkeypatch.delenv("VQX_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "vqx" / "weights"
    assert cache_folder("~/c") == tmp_path / "home" / "c" / "weights"


@pytest.mark.parametrize("network", CATALOGUE)
def test_the_configured_path_comes_before_the_cache(network: str, tmp_path: Path) -> None:
    cached = cache_folder(tmp_path) / CATALOGUE[network].file_name
    cached.parent.mkdir()
    cached.touch()
    configured = tmp_path / "mine.pth"
    configured.touch()
    assert find_weights(network, cache_dir=tmp_path) == cached
    assert find_weights(network, weights=configured, cache_dir=tmp_path) == configured
    configured.unlink()
    with pytest.raises(ConfigError, match=r"no file .*mine\.pth"):
        find_weights(network, weights=configured, cache_dir=tmp_path)


@pytest.mark.parametrize("network", CATALOGUE)
def test_missing_weights_are_one_line_with_what_where_and_remedy(
    network: str, tmp_path: Path
) -> None:
    with pytest.raises(WeightsMissing) as caught:
        find_weights(network, cache_dir=tmp_path)
    message = str(caught.value)
    entry = CATALOGUE[network]
    assert "\n" not in message
    name = entry.published_name if network == "inception" else entry.file_name
    for part in (network, name, str(cache_folder(tmp_path)), "VQX_OFFLINE"):
        assert part in message
    assert ("vqx.prepare weights" in message) == (network != "inception")
