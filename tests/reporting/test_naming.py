"""Rows are named by what differs, and by nothing else."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runs.synthetic import config_of
from vqx.reporting.frame import flatten
from vqx.reporting.labels import name_runs
from vqx.reporting.naming import value_text


def _names(*configs: dict[str, Any]) -> tuple[str, list[str]]:
    names = name_runs([flatten(config) for config in configs])
    return names.heading, names.labels


def test_quantizers_alone() -> None:
    # Their own knobs, beta or decay, levels or codebook_size, come with the choice.
    assert _names(config_of("ema"), config_of("fsq"), config_of("vq")) == (
        "quantizer",
        ["ema", "fsq", "vq"],
    )


def test_knobs_are_said_once_and_only_where_they_have_a_meaning() -> None:
    small = config_of("fsq", levels=[8, 6, 5], quantizer__levels=[8, 6, 5])
    assert _names(config_of("fsq"), small, config_of("ema")) == (
        "quantizer",
        ["fsq", "fsq levels=8,6,5", "ema"],
    )


def test_a_knob_that_two_quantizers_have_at_two_values_is_said() -> None:
    large = config_of("vq", codebook_size=4096, quantizer__codebook_size=4096)
    assert _names(config_of("ema"), large, config_of("fsq"))[1] == [
        "ema codebook_size=1024",
        "vq codebook_size=4096",
        "fsq",
    ]


def test_one_key_alone_heads_the_column() -> None:
    slow = config_of("ema", quantizer__decay=0.9)
    assert _names(config_of("ema"), slow) == ("decay", ["0.99", "0.9"])


def test_null_is_said_as_none() -> None:
    averaged = config_of(trainer__ema_decay=0.999)
    assert _names(config_of(), averaged) == ("ema_decay", ["none", "0.999"])


def test_runs_that_differ_in_one_thing_each_are_named_by_it() -> None:
    names = name_runs(
        [
            flatten(config)
            for config in (
                config_of(),
                config_of(trainer__learning_rate=3e-4),
                config_of(trainer__steps=400),
                config_of(model__width=64),
            )
        ]
    )
    assert names.labels == ["baseline", "learning_rate=0.0003", "steps=400", "width=64"]
    assert names.unsaid == {"width": "128", "steps": "800", "learning_rate": "0.001"}


def test_a_grid_has_no_baseline_but_the_shipped_value() -> None:
    grid = [
        config_of("ema", quantizer__decay=decay, trainer__steps=steps)
        for decay in (0.9, 0.99)
        for steps in (100, 200)
    ]
    assert _names(*grid)[1] == [
        "decay=0.9 steps=100",
        "decay=0.9 steps=200",
        "steps=100",
        "steps=200",
    ]


def _with_loss(**weights: float) -> dict[str, Any]:
    term = {"_target_": "vqx.losses.Weighted", "start_step": 0}
    return {
        "_target_": "vqx.losses.WeightedSum",
        "terms": {
            name: {**term, "weight": weight, "term": {"_target_": f"vqx.losses.{name.upper()}"}}
            for name, weight in weights.items()
        },
    }


def test_a_whole_group_is_named_by_its_file() -> None:
    # conf/loss/l1.yaml and l2.yaml say this; the order of keys says nothing.
    assert _names(
        config_of(loss=_with_loss(l1=1.0, l2=0.0)), config_of(loss=_with_loss(l1=0.0, l2=1.0))
    ) == ("loss", ["l1", "l2"])


def test_a_changed_choice_is_named_by_the_change() -> None:
    heading, labels = _names(
        config_of(loss=_with_loss(l1=0.5, l2=1.0)), config_of(loss=_with_loss(l1=0.0, l2=1.0))
    )
    assert (heading, labels) == ("l1.weight", ["0.5", "0.0"])


def test_an_added_term_is_named() -> None:
    assert _names(config_of(loss=_with_loss(l1=0.3, l2=1.0)), config_of(loss=_with_loss(l1=0.3)))[
        1
    ] == ["yes", "none"]


def test_data_sets_of_one_class_are_told_apart_by_name() -> None:
    target = "vqx.data.torchvision_images"
    first = config_of(data={"_target_": target, "name": "mine", "dataset": "A"})
    other = config_of(data={"_target_": target, "name": "yours", "dataset": "A"})
    assert _names(first, other) == ("name", ["mine", "yours"])


def test_equal_runs_are_named_by_their_quantizer() -> None:
    assert _names(config_of(), config_of(seed=1)) == ("quantizer", ["fsq", "fsq"])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([8, 5, 5, 5], "8,5,5,5"),
        (True, "true"),
        (None, "none"),
        (1e-5, "1e-05"),
        ([[1, 2], "a"], "1,2,a"),
        ("x y", "x y"),
        ([{"a": 1}], '{"a": 1}'),
    ],
)
def test_value_texts(value: Any, text: str) -> None:
    assert value_text(value) == text


_TREES = st.recursive(
    st.none() | st.integers(0, 2) | st.sampled_from(["a", "b"]),
    lambda inner: st.dictionaries(st.sampled_from(["_target_", "a", "b", "name"]), inner),
    max_leaves=6,
)


@settings(max_examples=200)
@given(st.lists(st.dictionaries(st.sampled_from("xyz"), _TREES), min_size=1, max_size=5))
def test_any_configurations_have_names(configs: list[dict[str, Any]]) -> None:
    names = name_runs([flatten(config) for config in configs])
    assert len(names.labels) == len(configs)
    assert all(names.labels)
