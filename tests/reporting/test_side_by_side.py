"""Columns of texts that fit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqx.reporting.differences import Difference
from vqx.reporting.metric_differences import NumberPair
from vqx.reporting.side_by_side import Page, broken

PAIRS = (
    NumberPair("PSNR ↑ dB", "25.00", "26.00", "+1.00", "better", "+0.90 [+0.80, +1.00]", True),
    NumberPair("usage ↑ %", "9.0", "-"),
)


def test_numbers_stand_below_each_other() -> None:
    lines = Page(80, False).numbers(PAIRS, ("A", "B", "B - A", "B is", "images"))
    assert lines == [
        "               A      B  B - A  B is    images",
        "PSNR ↑ dB  25.00  26.00  +1.00  better  +0.90 [+0.80, +1.00] *",
        "usage ↑ %    9.0      -",
    ]


def test_intervals_stand_below_where_there_is_no_room() -> None:
    lines = Page(48, False).numbers(PAIRS, ("A", "B", "B - A", "B is", "images"))
    assert lines == [
        "               A      B  B - A  B is",
        "    images",
        "PSNR ↑ dB  25.00  26.00  +1.00  better",
        "    +0.90 [+0.80, +1.00] *",
        "usage ↑ %    9.0      -",
    ]


def test_styles_only_in_a_terminal() -> None:
    titles = ("A", "B", "B - A", "B is", "images")
    found = (Difference("seed", "0", "1"),)
    plain, bold = Page(80, False), Page(80, True)
    assert "\033" not in "".join([*plain.numbers(PAIRS, titles), *plain.section("x", ["y"])])
    assert "\033[32mbetter" in "".join(bold.numbers(PAIRS, titles))
    assert bold.differences(found)[0].startswith("\033[1m")


def test_differences_in_columns() -> None:
    found = (Difference("seed", "0", "1"), Difference("levels", "8,5,5,5", "-"))
    assert Page(40, False).differences(found, "keys") == [
        "keys    A        B",
        "seed    0        1",
        "levels  8,5,5,5  -",
    ]


@given(
    st.lists(st.tuples(*[st.text("ab._/ =", max_size=90)] * 3), min_size=1, max_size=4),
    st.integers(24, 150),
)
def test_differences_fit_and_lose_nothing(rows: list[tuple[str, str, str]], width: int) -> None:
    found = [Difference(*row) for row in rows]
    lines = Page(width, False).differences(found)
    assert max(map(len, lines)) <= width
    shown, given_ = "".join(lines), "".join(text for row in rows for text in row)
    assert sorted(shown.replace(" ", "").removeprefix("AB")) == sorted(given_.replace(" ", ""))


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("quantizer.restart._target_", 20, ["quantizer.restart.", "_target_"]),
        ("x" * 25, 10, ["x" * 10, "x" * 10, "x" * 5]),
        ("code 1 then code 2", 11, ["code 1 then", "code 2"]),
        ("", 5, [""]),
    ],
)
def test_long_words_break_after_a_separator(text: str, width: int, lines: list[str]) -> None:
    assert broken(text, width) == lines


def test_sections_leave_out_empty_blocks() -> None:
    assert Page(10, False).section("T", [], ["a"], [], ["b", "c"]) == [
        "",
        "T",
        "─" * 10,
        "a",
        "",
        "b",
        "c",
    ]


def test_a_command_stays_on_one_line() -> None:
    command = "`diff -u " + "a/b " * 20 + "c`"
    assert command in Page(60, False).text(f"uncommitted changes differ: {command}")
