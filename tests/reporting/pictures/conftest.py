"""One frame of whole made-up runs for all tests of pictures; they only read it."""

import pytest

from tests.reporting.pictures.made_up import made_up_frame
from vqx.reporting.frame import Frame


@pytest.fixture(scope="session")
def frame(tmp_path_factory: pytest.TempPathFactory) -> Frame:
    """Rows ema, fsq and vq of two seeds, and `vq beta=64.0`, which failed."""
    return made_up_frame(tmp_path_factory.mktemp("runs"), rows=3, seeds=(0, 1), failed=True)
