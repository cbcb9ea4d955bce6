"""Numbers as a table writes them."""

import pytest

from vqx.reporting.writing import codes, count, fixed, grouped, operations, significant


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (fixed(2), 1.005, "1.00"),
        (fixed(0), 2.5, "2"),
        (count, 999, "999"),
        (count, 999_499, "999.5 k"),
        (count, 999_500, "1.0 M"),
        (count, 3.2e9, "3.2 B"),
        (operations, 3.2e9, "3.2 G"),
        (operations, 1.5e12, "1.5 T"),
        (codes, 1000, "1000"),
        (codes, 2**20, "1048576"),
        (codes, 2**36, "2^36"),
        (codes, 0, "0"),
        (significant, 1234.5678, "1235"),
        (grouped, 48000, "48,000"),
    ],
)
def test_numbers(write, value, text):
    assert write(value) == text
