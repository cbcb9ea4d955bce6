"""Fixtures shared by all tests."""

import os
from collections.abc import Iterator

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two test processes share two cores
for variable in ("VQX_RESULTS", "VQX_SWEEP", "VQX_TRACEBACK"):
    os.environ.pop(variable, None)  # a user's own settings

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
