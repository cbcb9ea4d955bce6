"""Which way is better in a trade-off."""

import pytest

from vqx.reporting.columns import columns_of
from vqx.reporting.directions import direction

BY_KEY = {column.key: column for column in columns_of([])}


@pytest.mark.parametrize(
    ("key", "better"),
    [
        ("psnr", "higher"),
        ("lpips", "lower"),
        ("bits", "lower"),
        ("code_entropy", "lower"),
        ("parameters", "lower"),
        ("images_per_second", "higher"),
    ],
)
def test_directions_of_metrics_and_costs(key: str, better: str) -> None:
    assert direction(BY_KEY[key]) == better
