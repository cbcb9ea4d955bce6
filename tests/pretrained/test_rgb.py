"""Images become RGB, or are refused."""

import pytest
import torch

from vqx.errors import DataError
from vqx.pretrained import as_rgb


def test_grey_is_repeated_and_rgb_left_alone() -> None:
    grey, colour = torch.rand(2, 1, 3, 3), torch.rand(2, 3, 3, 3)
    assert torch.equal(as_rgb(grey), grey.repeat(1, 3, 1, 1))
    assert as_rgb(colour) is colour
    with pytest.raises(DataError, match="2 channels"):
        as_rgb(torch.rand(1, 2, 3, 3))
