"""Configurations parsed in pieces are what YAML says of the whole."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vqx.config import conf_dir
from vqx.runs.config_text import ConfigParser, union
from vqx.runs.configuration import dump_yaml


def _expected(text: str) -> object:
    try:
        whole = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        return f"error {str(error).splitlines()[0]}"
    return repr(whole) if isinstance(whole, dict) else "error no keys in it"


def _parsed(text: str, parser: ConfigParser) -> str:
    try:
        return repr(union(parser.parse(text)))  # repr: 1 is not 1.0, and the order counts
    except ValueError as error:
        return f"error {error}"


_KEYS = st.sampled_from(["a", "b", "_x", "on", "null", "key", "steps", "n1"])
_TEXTS = [
    "a\nb: 1",
    "a: 1",
    "- x",
    "\n\nx\n",
    "# no",
    "...",
    "---",
    "x\u2028b: 2",
    "~",
    "&x",
    "a &b",
]
_SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates()
) | st.sampled_from(_TEXTS)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_KEYS, inner, max_size=2),
    max_leaves=5,
)
# Lines of a text, between broken bars.
_LINES = st.sampled_from(
    """a: 1¦b:¦b: &x 1¦c: *x¦  d: *x¦  e: &x {f: 2}¦- 1¦- a: 1¦  - b¦a: |¦a: >-¦a: |+¦  text¦¦   x
b: [1,¦  2]¦2]¦x: 'y¦z: 2'¦---¦...¦%YAML 1.1¦# note¦  # note¦"q": 1¦? k¦: v¦a¦a:b¦a : 1¦k: |2
<<: {k: 1}¦  <<: {k: 1}¦on: 1¦yes: 2¦\tt: 1¦a: 1\r¦a: b: c¦!t c: 1¦a: !!str 1¦b: 2001-01-01¦  k: 1
    l: 2¦  k:¦    - 3¦a: 'it''s'¦&y b: 1¦a: \x85b: 1¦a: 1\u2028...¦    x¦é: 1¦ключ: 1¦\ufeffa: 1
""".replace("\n", "¦").split("¦")
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(_KEYS, _VALUES, min_size=1), min_size=1, max_size=4))
def test_what_was_dumped_comes_back(configs: list[dict[str, object]]) -> None:
    parser = ConfigParser()
    for text in [dump_yaml(config) for config in configs] * 2:
        assert _parsed(text, parser) == _expected(text)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(_LINES, max_size=9).map("\n".join), min_size=1, max_size=3), st.booleans())
@example(["a: 1\n...\nb: 2"], True)
@example(['a: "x\nb: y"'], True)
@example(["k:\n  ...", "k:\n  a: 1"], True)
@example(["b: &x 1\nb: &x 1"], True)
@example(["k:\n  a: 1", "k:\n  a: &x 1\n  b: *x", "k:\n  b: *x"], True)
def test_any_text_is_what_it_is_as_a_whole(texts: list[str], ended: bool) -> None:
    parser = ConfigParser()
    for text in texts:
        text += "\n" * ended
        assert _parsed(text, parser) == _expected(text)


def _compositions() -> Iterator[Path]:
    yield from sorted(conf_dir().rglob("*.yaml"))


def test_every_file_of_conf_and_one_of_each_changed() -> None:
    parser = ConfigParser()
    for path in _compositions():
        plain = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
        for text in (
            path.read_text(),
            dump_yaml(plain),
            dump_yaml({"k": {"seed": 1, "in": plain}}),
        ):
            assert _parsed(text, parser) == _expected(text), path


def test_equal_pieces_are_one_object() -> None:
    parser = ConfigParser()
    one, two, three = (
        union(parser.parse(f"seed: {seed}\nm:\n  w: {w}\n  inner:\n    a: [1]\n"))
        for seed, w in ((0, 1), (1, 1), (2, 2))
    )
    assert one["m"] is two["m"]
    assert three["m"] == {"w": 2, "inner": {"a": [1]}}
    four = union(parser.parse("seed: 3\nm:\n  w: 3\n  inner:\n    a: [1]\n"))
    assert four["m"]["inner"] is three["m"]["inner"]


@pytest.mark.parametrize("text", ["[" * 100_000, "a:\n" + "- " * 100_000])
def test_what_is_nested_too_deeply_is_an_error_of_the_text(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        ConfigParser().parse(text)
