"""The FID Inception: its file is read safely, and building it moves no random numbers."""

import os
from pathlib import Path

import pytest
import torch

from vqx.errors import WeightsMissing
from vqx.pretrained import inception_features


class Attack:
    """Unpickling one makes a folder."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


def test_a_hostile_file_is_refused(tmp_path: Path) -> None:
    torch.save({"fc.bias": Attack(tmp_path / "executed")}, tmp_path / "hostile.pth")
    with pytest.raises(WeightsMissing, match="cannot be read as weights"):
        inception_features(weights=tmp_path / "hostile.pth")
    assert not (tmp_path / "executed").exists()


@pytest.mark.slow  # builds the Inception twice
def test_it_is_frozen_and_draws_no_random_numbers(inception_file: Path) -> None:
    before = torch.get_rng_state()
    network, path = inception_features(weights=inception_file)
    assert torch.equal(torch.get_rng_state(), before)
    assert path == inception_file
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())
    (features,) = network(torch.zeros(1, 3, 8, 12, dtype=torch.uint8))
    assert features.shape == (1, 2048)


def test_another_networks_file_is_refused(tmp_path: Path) -> None:
    torch.save({"weight": torch.ones(2)}, tmp_path / "other.pth")
    with pytest.raises(WeightsMissing, match="does not hold the FID Inception"):
        inception_features(weights=tmp_path / "other.pth")
