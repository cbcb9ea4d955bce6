"""The Pareto front and its step line, in every combination of directions."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqx.reporting.pictures.front import pareto_front, staircase

DIRECTIONS = list(itertools.product(("lower", "higher"), repeat=2))
POINTS = np.array([[1.0, 1.0], [2.0, 3.0], [3.0, 2.0], [4.0, 4.0], [2.0, 0.0]])


@pytest.mark.parametrize(
    ("better", "kept"),
    [
        (("lower", "higher"), [0, 1, 3]),
        (("lower", "lower"), [0, 4]),
        (("higher", "higher"), [3]),
        (("higher", "lower"), [3, 2, 4]),
    ],
)
def test_the_front_of_each_direction(better: tuple[str, str], kept: list[int]) -> None:
    assert pareto_front(POINTS, better).tolist() == kept


def test_equal_points_are_both_on_the_front() -> None:
    assert len(pareto_front(np.array([[1.0, 2.0], [1.0, 2.0]]), ("lower", "higher"))) == 2


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12),
    st.sampled_from(DIRECTIONS),
)
def test_no_point_beats_the_front_and_all_others_are_beaten(
    points: list[tuple[int, int]], better: tuple[str, str]
) -> None:
    signs = [1 if name == "lower" else -1 for name in better]

    def beats(a: tuple[int, int], b: tuple[int, int]) -> bool:
        costs = [(s * p, s * q) for s, p, q in zip(signs, a, b, strict=True)]
        return all(p <= q for p, q in costs) and any(p < q for p, q in costs)

    kept = set(pareto_front(np.array(points, dtype=float), better).tolist())
    expected = {i for i, b in enumerate(points) if not any(beats(a, b) for a in points)}
    assert kept == expected


def test_the_line_steps_where_the_next_point_is_reached() -> None:
    front = np.array([[1.0, 1.0], [2.0, 3.0]])
    line = staircase(front, ("lower", "higher"), (9.0, 0.0))
    assert line.tolist() == [[1, 0], [1, 1], [2, 1], [2, 3], [9, 3]]


@pytest.mark.parametrize("better", DIRECTIONS)
def test_every_point_lies_on_the_line_or_on_its_worse_side(better: tuple[str, str]) -> None:
    signs = np.array([1 if name == "lower" else -1 for name in better])
    points = np.random.default_rng(0).normal(size=(30, 2))
    front = points[pareto_front(points, better)]
    line = staircase(front, better, tuple(9 * signs)) * signs  # less is better
    assert (np.diff(line[:, 0]) >= 0).all()
    assert (np.diff(line[:, 1]) <= 0).all()
    for x, y in points * signs:
        reached = line[line[:, 0] <= x + 1e-12, 1].min()
        assert y >= reached - 1e-12
