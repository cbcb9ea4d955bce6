"""Conditions: a small part of Python, against Python itself, and never run as code."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.runs.synthetic import QUANTIZERS, config_of, result_of, write_run
from vqx.errors import ConfigError
from vqx.reporting.where import compiled, matching
from vqx.runs.reading import Run, read_runs
from vqx.runs.status import State


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    for name in QUANTIZERS:
        for seed in range(4):
            config = config_of(name, seed=seed)
            psnr = 20.0 + seed
            if (name, seed) == ("vq", 3):
                write_run(tmp_path, config, state=State.FAILED)
            else:
                write_run(tmp_path, config, result=result_of(config, psnr=psnr))
    return read_runs([str(tmp_path)])[0]


def names(runs: list[Run]) -> set[str]:
    return {run.slug.replace("-photos", "").split("-")[0] + run.slug[-1] for run in runs}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("quantizer.name=='fsq' and seed<3", "fsq0 fsq1 fsq2"),
        ("quantizer.name in ['fsq', 'ema'] and seed == 1", "fsq1 ema1"),
        ("not (seed >= 1 or quantizer.name == 'vq')", "fsq0 ema0"),
        ("0 < seed <= 2 and codebook_size == 1024", "vq1 vq2 ema1 ema2"),
        ("levels == [8, 5, 5, 5] and seed == 0", "fsq0"),
        ("levels == (8, 5, 5, 5) and seed == 0", "fsq0"),
        ("5 in levels and seed == 0", "fsq0"),
        ("state == 'failed'", "vq3"),
        ("psnr > 21.5 and quantizer.name == 'vq'", "vq2"),
        ("psnr < 21.5 and quantizer.name != 'vq'", "fsq0 fsq1 ema0 ema1"),
        ("quantizer.decay == 0.99 and seed == 0", "ema0"),
        ("quantizer.decay != 0.99 and seed == 0", "fsq0 vq0"),
        ("trainer.ema_decay == null and seed == 0", "fsq0 vq0 ema0"),
        ("data.name == 'photos' and model.name == 'conv' and seed == 2", "fsq2 vq2 ema2"),
        ("bits > 2000 and bits_per_token < 10 and seed == 0", "fsq0 vq0 ema0"),
        ("quantizer == 'fsq' and model == 'conv' and seed == 1", "fsq1"),
        ("seed in (0,) and trainer.betas == [0.9, 0.99]", "fsq0 vq0 ema0"),
    ],
)
def test_runs_for_which_it_holds(runs: list[Run], condition: str, expected: str) -> None:
    assert names(matching(runs, condition)) == set(expected.split())


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("quantizer.nmae == 'fsq'", "no run has 'quantizer.nmae' .*did you mean 'quantizer.name'"),
        ("seed <", r"cannot be read \(invalid syntax\); write it like quantizer.name=='fsq'"),
        ("seed = 3", "cannot be read"),
        ("seed < 'a'", "'<' not supported between instances of 'int' and 'str'"),
        ("__import__('os').system('x')", "cannot be used; there are names, numbers"),
        ("seed + 1 == 2", r"'seed \+ 1' cannot be used"),
        ("[x for x in levels]", "cannot be used"),
        ("seed is 3", "'seed is 3' cannot be used"),
        ("lambda: 0", "cannot be used"),
        ("seed.__class__.__mro__ == 1", "no run has 'seed.__class__.__mro__'"),
        ("(" * 300 + "seed" + ")" * 300, "cannot be read"),
        ("", "cannot be read"),
    ],
)
def test_what_is_no_condition_is_one_line(runs: list[Run], condition: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        matching(runs, condition)


_ATOMS = st.sampled_from(["a", "b.c", "1", "2.5", "'x'", "[1, 'x']", "-3"])
_TESTS = st.recursive(
    st.builds(
        "{} {} {}".format,
        _ATOMS,
        st.sampled_from(["==", "!=", "in", "not in"]),
        st.just("[1, 'x']"),
    )
    | st.builds("{} {} {}".format, _ATOMS, st.sampled_from(["==", "!="]), _ATOMS),
    lambda inner: (
        st.builds("({} and {})".format, inner, inner)
        | st.builds("({} or {})".format, inner, inner)
        | st.builds("not ({})".format, inner)
    ),
    max_leaves=8,
)


@given(_TESTS, st.sampled_from([1, "x", 2.5, [1, "x"]]), st.sampled_from([1, "y", None, -3]))
def test_it_means_what_python_means(condition: str, a: Any, c: Any) -> None:
    values = {"a": a, "b.c": c}
    expected = eval(condition, {"a": a, "b": type("B", (), {"c": c})})
    test, read = compiled(condition)
    assert bool(test(values.__getitem__)) == bool(expected)
    assert set(read) <= set(values)
