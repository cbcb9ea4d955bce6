"""Fixtures shared by all tests."""

import importlib.util
import os
import signal
from collections.abc import Iterator

import pytest

from tests.gloo import GlooPool
from tests.slurm.cluster import SESSION, end_clusters


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


def pytest_configure(config: pytest.Config) -> None:
    """Name the session, for its workers too: what one of them starts, the session ends."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # As in a shell's background: commands that tests start would be deaf to Ctrl-C too.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        os.environ[SESSION] = str(os.getpid())


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs ffcv where it is not installed; looked for without importing it."""
    if item.get_closest_marker("ffcv") and importlib.util.find_spec("ffcv") is None:
        pytest.skip("ffcv is not installed: tools/install-ffcv.sh installs it")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the Slurm clusters that this session's tests have started."""
    if not hasattr(session.config, "workerinput"):
        end_clusters()
