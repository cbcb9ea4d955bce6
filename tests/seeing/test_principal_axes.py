"""Axes are those of numpy and scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from vqx.seeing.principal_axes import Moments


def test_axes_are_those_of_a_pca_seen_in_parts():
    rows = torch.randn(500, 5) @ torch.diag(torch.tensor([5.0, 3.0, 2.0, 1.0, 0.5])) + 7
    moments = Moments(5)
    for part in rows.split(90):
        moments.add(part)
    axes = moments.principal_axes(3)
    reference = PCA(3).fit(rows.numpy())
    np.testing.assert_allclose(axes.shares, reference.explained_variance_ratio_, rtol=1e-4)
    places = reference.transform(rows.numpy())
    np.testing.assert_allclose(np.abs(axes.project(rows)), np.abs(places), atol=1e-3)


def test_a_weight_counts_as_often_as_it_says():
    rows, weights = torch.randn(20, 4), torch.randint(4, (20,))
    weighted, repeated = Moments(4), Moments(4)
    weighted.add(rows, weights=weights)
    repeated.add(rows.repeat_interleave(weights, 0))
    one, other = weighted.principal_axes(2), repeated.principal_axes(2)
    torch.testing.assert_close(one.project(rows), other.project(rows))


def test_equal_rows_have_axes_of_no_variance():
    moments = Moments(3)
    moments.add(torch.ones(9, 3))
    assert moments.principal_axes(2).shares == pytest.approx([0, 0], abs=1e-9)
