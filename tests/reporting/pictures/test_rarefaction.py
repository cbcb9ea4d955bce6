"""The expected share of codes seen in n tokens, against enumeration and drawing."""

import itertools

import numpy as np
import pytest

from vqx.reporting.pictures.rarefaction import expected_usage, token_grid, uniform_usage

COUNTS = np.array([4, 0, 2, 1, 1])


@pytest.mark.parametrize("n", range(1, 9))
def test_equals_all_choices_of_n_tokens(n: int) -> None:
    tokens = np.repeat(np.arange(len(COUNTS)), COUNTS)
    seen = [len(set(chosen)) for chosen in itertools.combinations(tokens.tolist(), n)]
    expected = np.mean(seen) / len(COUNTS)
    np.testing.assert_allclose(expected_usage(COUNTS, np.array([n])), expected, rtol=1e-12)


def test_equals_what_drawing_gives() -> None:
    rng = np.random.default_rng(0)
    counts = rng.multinomial(3000, rng.dirichlet(np.full(64, 0.3)))
    tokens = np.repeat(np.arange(64), counts)
    for n in (10, 100, 1000):
        drawn = [len(set(rng.permutation(tokens)[:n].tolist())) / 64 for _ in range(400)]
        error = np.std(drawn) / np.sqrt(len(drawn))
        assert abs(expected_usage(counts, np.array([n]))[0] - np.mean(drawn)) < 5 * error + 1e-9


def test_all_tokens_give_the_usage_and_one_gives_one_code() -> None:
    counts = np.random.default_rng(1).poisson(1.0, 1024) * 1000
    total = int(counts.sum())
    first, last, beyond = expected_usage(counts, np.array([1, total, 2 * total]))
    np.testing.assert_allclose(first, 1 / 1024, rtol=1e-6)
    assert last == beyond == (counts > 0).mean()


def test_grows_with_tokens_and_stays_a_share_with_very_many() -> None:
    counts = np.random.default_rng(2).integers(0, 10**8, 500)
    usage = expected_usage(counts, token_grid(int(counts.sum())))
    assert (np.diff(usage) >= -1e-6).all()
    assert usage.min() >= 0
    assert usage.max() <= 1


def test_even_use_is_the_limit_of_many_even_counts() -> None:
    tokens = np.array([1, 10, 100, 1000])
    counts = np.full(100, 10**5)
    np.testing.assert_allclose(
        expected_usage(counts, tokens), uniform_usage(100, tokens), rtol=1e-4
    )
    assert uniform_usage(1, tokens).tolist() == [1, 1, 1, 1]


def test_the_grid_has_both_ends_once() -> None:
    grid = token_grid(40_000)
    assert grid[0] == 1
    assert grid[-1] == 40_000
    assert (np.diff(grid) > 0).all()
    assert token_grid(1).tolist() == [1]
