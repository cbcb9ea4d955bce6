"""What a sweep file and the command mean as jobs."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqx.errors import ConfigError
from vqx.sweeps.expansion import expand, jobs_of
from vqx.sweeps.view import multirun


def test_jobs_are_read_from_left_to_right_and_the_last_changes_fastest():
    jobs = expand(
        {"model": "conv,vit"},
        [{"codebook_size": [512, 1024], "levels": [[8, 8, 8], "[4,4]"]}],
        ["quantizer=vq", "quantizer=fsq,ema beta=1"],
        ["seed=range(0,2)", "trainer=smoke"],
    )
    zipped = [["codebook_size=512", "levels=[8,8,8]"], ["codebook_size=1024", "levels=[4,4]"]]
    rows = [["quantizer=vq"], ["quantizer=fsq", "beta=1"], ["quantizer=ema", "beta=1"]]
    assert jobs == [
        [f"model={model}", *step, *row, f"seed={seed}", "trainer=smoke"]
        for model, step, row, seed in itertools.product(["conv", "vit"], zipped, rows, [0, 1])
    ]


KEYS = ["a", "b", "c", "d"]
VALUES = st.lists(st.integers(0, 9), min_size=1, max_size=3)


@given(
    st.dictionaries(st.sampled_from(KEYS), VALUES), st.dictionaries(st.sampled_from(KEYS), VALUES)
)
def test_a_grid_is_hydras(params, typed):
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser

    texts = {key: ",".join(map(str, values)) for key, values in params.items()}
    words = [f"{key}={','.join(map(str, values))}" for key, values in typed.items()]
    parsed = OverridesParser.create().parse_overrides(
        [*(f"{key}={text}" for key, text in texts.items()), *words]
    )
    assert expand(texts, [], [], words) == BasicSweeper.split_arguments(parsed, None)[0]


@pytest.mark.parametrize(
    "typed", ["quantizer=bsq", "+quantizer=bsq", "++quantizer=bsq", "~quantizer"]
)
@pytest.mark.parametrize("file", ["quantizer", "+quantizer", "++quantizer"])
def test_a_typed_key_replaces_it_everywhere_whatever_its_prefix(typed, file):
    rest = ["seed=1"]
    assert expand({file: "fsq,vq", "seed": "1"}, [], [], [typed]) == [[typed, *rest]]
    zipped = expand({}, [{file: ["fsq", "vq"], "beta": [1, 2]}], [], [typed])
    assert zipped == [["beta=1", typed], ["beta=2", typed]]
    rows = expand({}, [], [f"{file}=fsq,vq beta=1", f"{file}=ema beta=2"], [typed])
    assert rows == [["beta=1", typed], ["beta=2", typed]]


def test_rows_and_steps_that_no_longer_differ_are_one():
    assert expand({}, [], ["quantizer=vq", "quantizer=fsq"], ["quantizer=ema"]) == [
        ["quantizer=ema"]
    ]
    assert expand({}, [{"seed": [0, 1]}], [], ["seed=7"]) == [["seed=7"]]


def test_a_group_of_another_package_is_another_key():
    assert len(expand({"loss@train": "l1,l2"}, [], [], ["loss=l2"])) == 2
    assert expand({"loss@train": "l1,l2"}, [], [], ["loss@train=l1"]) == [["loss@train=l1"]]


def test_the_sweeps_own_options_are_no_part_of_a_job():
    typed = ["plan=true", "retry=failed", "max_parallel=2", "wait=true", "seed=0"]
    assert expand({}, [], [], typed) == [["seed=0"]]


def test_choices_ranges_and_globs_are_hydras():
    _, loader = multirun([])
    jobs = expand(
        {"codebook_size": "choice(512,1024)"},
        [],
        ["quantizer=glob(*vq,exclude=r*)"],
        [],
        loader=loader,
    )
    assert ["codebook_size=512", "quantizer=product_vq"] in jobs
    names = sorted({job[1] for job in jobs})
    assert names == ["quantizer=product_vq", "quantizer=simvq", "quantizer=vq"]
    assert {job[0] for job in jobs} == {"codebook_size=512", "codebook_size=1024"}
    assert expand({"beta": "range(0,1,0.5)"}, [], [], []) == [["beta=0.0"], ["beta=0.5"]]


@pytest.mark.parametrize(
    ("row", "job"),
    [
        ("levels=[8,5] 'data.root=/my photos'", ["levels=[8,5]", r"data.root=/my\ photos"]),
        (["levels=[8, 5]", "seed=0"], ["levels=[8,5]", "seed=0"]),
        ("", []),
    ],
)
def test_a_row_is_split_as_a_shell_does(row, job):
    assert expand({}, [], [row], []) == [job]


@pytest.mark.parametrize(
    ("sweeper", "typed", "message"),
    [
        ({"zip": {"a": [1, 2, 3], "b": [1, 2]}}, [], "'a' has 3 values and 'b' has 2"),
        ({"zip": {"a": ["1,2", 3]}}, [], "zip.a: '1,2' is several values"),
        ({"zip": {"a": 3}}, [], "zip.a must be a list of values; got 3"),
        ({"zips": {"a": [1]}}, [], "hydra.sweeper.zips is no way to sweep.*did you mean 'zip'"),
        ({"rows": "a=1"}, [], "rows must be a list of rows"),
        ({"rows": ["a=1", {"a": 2}]}, [], "row 2, must be overrides"),
        ({"rows": ["a=1", "b=["]}, [], "rows, row 2: cannot read 'b=\\['"),
        ({"params": {"a": "1,2"}, "rows": ["a=3"]}, [], "'a' stands in params and rows"),
        ({"zip": [{"a": [1]}, {"+a": [2]}]}, [], "'a' stands twice in zip"),
        ({"params": {"max_parallel": 2}}, [], "'max_parallel' is the whole sweep's"),
        ({"params": {"hydra.verbose": "true,false"}}, [], "is Hydra's"),
        ({}, ["plan=true,false"], "the whole sweep has one value"),
        ({}, ["beta=interval(0,1)"], "has no end.*hydra/sweeper=search"),
        ({"rows": []}, [], "rows must be a list of rows such as .* got \\[\\]"),
        ({"rows": ["seed='1"]}, [], "row 1: cannot split .*quotation"),
        ({"zip": {"a": []}}, [], "nothing to run: hydra.sweeper.zip.a has no values"),
        ({"params": {"a": [1, 2]}}, [], "params.a is a list: several values are written"),
        ({}, ["seed=range(3,0)"], "nothing to run: 'seed=range\\(3,0\\)' has no values"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(sweeper, typed, message):
    with pytest.raises(ConfigError, match=message):
        jobs_of(sweeper, typed)


def test_a_glob_without_a_match_is_nothing_to_run():
    _, loader = multirun([])
    with pytest.raises(ConfigError, match="nothing to run: 'quantizer=glob\\(nosuch\\*\\)'"):
        expand({}, [], [], ["quantizer=glob(nosuch*)"], loader=loader)
