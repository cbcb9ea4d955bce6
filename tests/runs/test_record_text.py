"""JSON records parsed in pieces are what JSON says of the whole."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vqx.runs.config_text import union
from vqx.runs.record_text import RecordParser

_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
    max_leaves=5,
)


def _expected(content: bytes) -> str:
    try:
        record = json.loads(content)
    except ValueError as error:
        return f"error {error}"
    return repr(record) if isinstance(record, dict) else "error no JSON object"


def _parsed(content: bytes, parser: RecordParser) -> str:
    try:
        return repr(union(parser.parse(content)))
    except ValueError as error:
        return f"error {error}"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.dictionaries(st.text(max_size=2), _VALUES, max_size=3), min_size=1, max_size=2),
    st.sampled_from([1, None, 2, 0]),
)
def test_what_was_written_comes_back(records: list[dict[str, Any]], indent: int | None) -> None:
    parser = RecordParser()
    for record in records * 2:
        content = (json.dumps(record, indent=indent, ensure_ascii=False) + "\n").encode(
            errors="surrogatepass"
        )
        assert _parsed(content, parser) == _expected(content)


_TOKENS = st.sampled_from(
    ['{\n "', '"', ',\n "', "\n}", "\n", "{", "}", "[", "]", ":", ",", " ", "a", "1", "\\", "null"]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(_TOKENS, max_size=14).map("".join))
@example('{\n "a": ["x",\n "y"]\n}')
@example('{\n "a": {\n "b": 1,\n "c": 2}\n}')
@example('{\n "a": "x,\n "b": 1\n}')
@example('{\n "a": 1}, {"b": 2\n}')
@example('{\n "a": 1,\n "b": 2,\n "a": 3\n}')
def test_any_text_is_what_it_is_as_a_whole(text: str) -> None:
    for content in (text.encode(), f'{{\n "a": 1,\n "{text}\n}}\n'.encode()):
        assert _parsed(content, RecordParser()) == _expected(content)


def test_equal_members_are_one_object() -> None:
    parser = RecordParser()
    one, two = (
        union(
            parser.parse(json.dumps({"seed": seed, "packages": {"torch": "2"}}, indent=1).encode())
        )
        for seed in (0, 1)
    )
    assert one["packages"] is two["packages"]


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{\n "a": ' + b"[" * 100_000 + b"\n}"])
def test_what_is_nested_too_deeply_is_an_error_of_the_text(content: bytes) -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        RecordParser().parse(content)
