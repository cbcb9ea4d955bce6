"""Two runs found by a few characters of their names."""

from pathlib import Path

import pytest

from tests.runs.synthetic import config_of, write_run
from vqx.errors import ConfigError, VqxError
from vqx.reporting.two_runs import read_folder, two_runs


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    return [
        write_run(tmp_path / "runs", config_of(name, seed=seed))
        for name, seed in (("fsq", 0), ("fsq", 1), ("ema", 0))
    ]


def _found(runs: list[Path], *words: str) -> list[Path]:
    return [run.folder.path for run in two_runs(words, places=[str(runs[0].parent)])]


def test_a_run_is_found_by_folder_name_signature_or_part_of_its_name(runs: list[Path]) -> None:
    first, second, third = runs
    assert _found(runs, str(first), str(third)) == [first, third]
    assert _found(runs, first.name, third.name) == [first, third]
    assert _found(runs, second.name[-10:], third.name[-10:-4]) == [second, third]
    assert _found(runs, "ema", "seed1") == [third, second]


def test_a_whole_name_is_no_part_of_a_longer_one(tmp_path: Path, runs: list[Path]) -> None:
    longer = runs[0].rename(runs[0].with_name(f"old-{runs[1].name}"))
    assert longer.exists()
    assert _found(runs, runs[1].name, "ema") == [runs[1], runs[2]]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "takes two runs, not none"),
        (("a", "b", "c"), "takes two runs, not 3 words"),
        (("fsq", "ema"), "'fsq' is in the names of 2 runs in"),
        (("nothing", "ema"), "'nothing' is no folder, nor in the name of a run in"),
        (("", "ema"), "'' is no folder"),
        (("ema", "ema"), "'ema' and 'ema' are both"),
    ],
)
def test_words_that_do_not_mean_two_runs(
    runs: list[Path], words: tuple[str, ...], said: str
) -> None:
    with pytest.raises(ConfigError) as error:
        _found(runs, *words)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_the_nearest_name_is_suggested(runs: list[Path]) -> None:
    wrong = runs[0].name[:-1] + "_"
    with pytest.raises(ConfigError, match=f"did you mean '{runs[0].name}'"):
        _found(runs, wrong, "ema")


def test_a_folder_that_is_no_run_is_named(tmp_path: Path, runs: list[Path]) -> None:
    with pytest.raises(VqxError, match=r"runs cannot be compared: no config\.yaml"):
        read_folder(runs[0].parent)
    (runs[2] / "config.yaml").write_text("{")
    with pytest.raises(VqxError, match=r"cannot be compared: config\.yaml is damaged"):
        _found(runs, str(runs[0]), str(runs[2]))
