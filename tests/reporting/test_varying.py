"""Which keys vary, asked of the runs that tell, is what all runs would say."""

from typing import Any

from tests.runs.synthetic import config_of
from vqx.reporting.flattening import Flattener
from vqx.reporting.labels import name_runs
from vqx.reporting.naming import Choice
from vqx.reporting.varying import NO_DEFAULTS, Named, context, varying_keys


def _named(*values: dict[str, Any]) -> list[Named]:
    return [Named(each, NO_DEFAULTS, frozenset()) for each in values]


def test_only_what_differs_where_it_means_the_same() -> None:
    fsq, ema = Choice("fsq"), Choice("ema")
    runs = _named(
        {"quantizer": fsq, "levels": [8], "trainer.steps": 1},
        {"quantizer": ema, "size": 9, "trainer.steps": 1},
        {"quantizer": ema, "size": 9, "trainer.steps": 2},
    )
    assert varying_keys(runs) == ["quantizer", "trainer.steps"]


def test_a_number_is_not_its_equal_of_another_kind() -> None:
    assert varying_keys(_named({"a.b": 1, "c.d": [1]}, {"a.b": 1.0, "c.d": [True]})) == [
        "a.b",
        "c.d",
    ]
    assert varying_keys(_named({"a.b": float("nan")}, {"a.b": float("nan")})) == []


def test_what_only_some_runs_have_varies() -> None:
    assert varying_keys(_named({"a.b": 1}, {})) == ["a.b"]


def test_a_family_counts_where_its_file_has_the_key() -> None:
    defaults = {"beta": 0.25}
    usual = Named({"beta": 0.25, "quantizer": Choice("vq")}, defaults, frozenset())
    other = Named({"beta": 0.25, "quantizer": Choice("ema")}, {"beta": 1.0}, frozenset())
    assert usual.is_default("beta")
    assert other.is_changed("beta")
    assert varying_keys([usual, other]) == ["quantizer", "beta"]
    assert varying_keys([usual, usual]) == []


def test_a_list_around_a_key_is_no_error() -> None:
    assert context("a.b.c", {"a": [1], "a.b": None}) == ("[1]", "None")


def test_names_do_not_depend_on_how_often_a_configuration_comes() -> None:
    configs = [config_of("vq"), config_of("ema", trainer__steps=9), config_of("ema")]
    flattener = Flattener()
    knobs = [flattener.of(config).knobs for config in configs]
    once, often = name_runs(knobs), name_runs([*knobs, *knobs, knobs[1], knobs[0]])
    assert often.labels == [*once.labels, *once.labels, once.labels[1], once.labels[0]]
    assert (often.heading, often.unsaid, often.common) == (once.heading, once.unsaid, once.common)
