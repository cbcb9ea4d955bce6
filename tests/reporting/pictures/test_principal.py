"""Principal axes, against the singular values and the torch version beside runs."""

import numpy as np
import torch

from vqx.reporting.pictures.principal import principal_plane
from vqx.seeing.principal_axes import Moments


def entries(channels: int = 6) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(size=(200, channels)) * np.arange(1, channels + 1)


def test_places_are_those_of_the_singular_vectors() -> None:
    values = entries()
    plane = principal_plane(values, np.ones(200))
    centred = values - values.mean(0)
    _, singular, axes = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(plane.places), np.abs(centred @ axes[:2].T), atol=1e-9)
    np.testing.assert_allclose(plane.shares, (singular**2 / (singular**2).sum())[:2])


def test_equals_what_a_run_draws_of_its_own_codebook() -> None:
    values = torch.from_numpy(entries()).float()
    moments = Moments(6)
    moments.add(values)
    axes = moments.principal_axes(2)
    plane = principal_plane(values.double().numpy(), np.ones(200))
    np.testing.assert_allclose(plane.places, axes.project(values).numpy(), atol=1e-5)


def test_a_grid_is_turned_by_its_use() -> None:
    axis = np.linspace(-1, 1, 8)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    use = np.exp(-4 * (grid @ [1.0, 1.0, 0.0] - 0.3) ** 2)
    plane = principal_plane(grid, use)
    assert plane.as_used
    assert len(np.unique(plane.places.round(4), axis=0)) > 64
    assert not principal_plane(grid, np.zeros(len(grid))).as_used
    assert not principal_plane(entries(), np.ones(200)).as_used


def test_a_single_channel_is_a_line_and_equal_entries_a_point() -> None:
    plane = principal_plane(entries(1), np.ones(200))
    assert (plane.places[:, 1] == 0).all()
    np.testing.assert_allclose(plane.shares, (1, 0))
    same = principal_plane(np.ones((5, 3)), np.ones(5))
    np.testing.assert_allclose(same.places, 0, atol=1e-12)
