"""Fixtures shared by all tests."""

from collections.abc import Iterator

import pytest

from tests.gloo import GlooPool


@pytest.fixture(scope="session")
def two_ranks() -> Iterator[GlooPool]:
    """Two gloo ranks; call it with a module-level function."""
    pool = GlooPool(2)
    yield pool
    pool.close()


@pytest.fixture(scope="session")
def four_ranks() -> Iterator[GlooPool]:
    """Four gloo ranks; call it with a module-level function."""
    pool = GlooPool(4)
    yield pool
    pool.close()
