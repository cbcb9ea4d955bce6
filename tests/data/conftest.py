"""Fixtures of the data tests."""

import multiprocessing
from collections.abc import Callable

import pytest


@pytest.fixture
def started() -> Callable[[], list]:
    """The processes this test started that still live (a pool of ranks may have been there)."""
    before = multiprocessing.active_children()
    return lambda: [child for child in multiprocessing.active_children() if child not in before]
