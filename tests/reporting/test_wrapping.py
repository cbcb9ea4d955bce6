"""Hanging paragraphs."""

from hypothesis import given
from hypothesis import strategies as st

from vqx.reporting.wrapping import hanging


def test_hangs_below_itself() -> None:
    assert hanging("who", "a b c " * 10, indent=6, width=40) == [
        "who   a b c a b c a b c a b c a b c a b",
        "      c a b c a b c a b c a b c",
    ]


def test_a_long_subject_stands_above() -> None:
    assert hanging("somebody", "text", indent=6, width=40) == ["somebody", "      text"]


def test_a_command_is_not_broken() -> None:
    lines = hanging("", "then run `python -m vqx.prepare weights` again", indent=2, width=40)
    assert lines[1].strip().startswith("`python -m vqx.prepare weights`")


@given(st.text(alphabet="ab `", max_size=80), st.integers(10, 60))
def test_no_word_is_lost(text: str, width: int) -> None:
    lines = hanging("x", text, indent=4, width=width)
    assert " ".join(" ".join(lines).split()) == " ".join(["x", *text.split()])
