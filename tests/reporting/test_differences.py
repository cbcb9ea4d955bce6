"""What two runs have not in common, metrics apart."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.runs.synthetic import config_of, environment_of, write_run
from vqx.reporting.differences import Differences, configuration, environment, packages, typed
from vqx.reporting.two_runs import read_folder
from vqx.runs.reading import Run


def _run(folder: Path, config: dict[str, Any], **options: Any) -> Run:
    words = options.pop("words", [])
    path = write_run(folder, config, **options)
    (path / "overrides.yaml").write_text(yaml.dump(words))
    return read_folder(path)


def _told(found: Differences) -> dict[str, tuple[str, str]]:
    return {d.key: (d.a, d.b) for d in found.different}


def test_keys_that_count_are_told_from_those_that_do_not(tmp_path: Path) -> None:
    a = _run(tmp_path, config_of("vq", trainer__log_every=10))
    b = _run(tmp_path, config_of("vq", seed=1, quantizer__beta=1, trainer__devices=4))
    counting, others = configuration(a, b)
    assert _told(counting) == {"seed": ("0", "1"), "quantizer.beta": ("0.25", "1")}
    assert _told(others) == {"trainer.devices": ("1", "4"), "trainer.log_every": ("10", "20")}
    assert "model.width" in dict(counting.equal)
    assert "data.workers" in dict(others.equal)


def test_every_key_is_compared_once(tmp_path: Path) -> None:
    a, b = _run(tmp_path, config_of("vq")), _run(tmp_path, config_of("ema", seed=1))
    counting, others = configuration(a, b)
    keys = [
        *(d.key for found in (counting, others) for d in found.different),
        *(key for found in (counting, others) for key, _ in found.equal),
    ]
    assert len(keys) == len(set(keys))
    told = _told(counting)
    assert told["quantizer._target_"] == ("vqx.quantizers.VQ", "vqx.quantizers.EMA")
    assert told["quantizer.restart.every"] == ("-", "20")
    assert told["quantizer.beta"] == ("0.25", "-")


def test_what_repeats_a_root_key_is_left_out(tmp_path: Path) -> None:
    a, b = _run(tmp_path, config_of("fsq")), _run(tmp_path, config_of("vq"))
    told = _told(configuration(a, b)[0])
    assert told["levels"] == ("8,5,5,5", "-")
    assert "quantizer.levels" not in told
    other = _run(tmp_path, config_of("fsq", quantizer__levels=[4, 4]))
    assert _told(configuration(a, other)[0]) == {"quantizer.levels": ("8,5,5,5", "4,4")}


def test_a_null_is_as_nothing_and_one_as_its_float(tmp_path: Path) -> None:
    a = _run(tmp_path / "a", config_of("vq", quantizer__beta=1, trainer__new=None))
    b = _run(tmp_path / "b", config_of("vq", quantizer__beta=1.0))
    counting, others = configuration(a, b)
    assert counting.different == ()
    assert _told(others) == {"trainer.new": ("null", "-")}
    c = _run(tmp_path, config_of("vq", quantizer__beta=True))
    assert _told(configuration(a, c)[0]) == {"quantizer.beta": ("1", "true")}


def test_typed_words(tmp_path: Path) -> None:
    a = _run(tmp_path, config_of("fsq"), words=["quantizer=fsq", "seed=0", "~loss.l1"])
    b = _run(tmp_path, config_of("ema"), words=["quantizer=ema", "seed=0"])
    found = typed(a, b)
    assert isinstance(found, Differences)
    assert _told(found) == {"quantizer": ("fsq", "ema"), "~loss.l1": ("~loss.l1", "-")}
    assert found.equal == (("seed", "0"),)
    b.folder.overrides.write_text("{")
    assert typed(a, b) == "overrides.yaml of B cannot be read"


def test_environment_and_packages(tmp_path: Path) -> None:
    own = environment_of(
        host="node2",
        vqx="0.2.0",
        variables={"OMP_NUM_THREADS": "4"},
        own_code={"mine.py": "abcdef"},
        packages={**environment_of()["packages"], "torch": "2.15.0", "attrs": "1"},
        command=["other"],
    )
    a = _run(tmp_path, config_of("fsq"))
    b = _run(tmp_path, config_of("ema"), environment=own)
    found = environment(a, b)
    assert _told(found) == {
        "vqx": ("0.1.0", "0.2.0"),
        "host": ("node1", "node2"),
        "file mine.py": ("-", "abcdef"),
        "OMP_NUM_THREADS": ("-", "4"),
    }
    assert ("python", "3.11.7") in found.equal
    versions = packages(a, b)
    assert [d.key for d in versions.different] == ["torch", "attrs"]
    assert _told(versions)["attrs"] == ("-", "1")
    assert len(versions.equal) == 120


def test_what_later_sessions_changed(tmp_path: Path) -> None:
    sessions = [
        {"host": "node1"},
        {"host": "node3", "git": {"dirty": True, "diff_sha256": "abc123"}},
        {"host": "node1", "packages": {"torch": "2.15.0"}},
    ]
    a = _run(tmp_path, config_of("fsq"))
    b = _run(tmp_path, config_of("ema"), environment=environment_of(sessions=sessions))
    assert _told(environment(a, b)) == {
        "code": ("f8add72c0f", "f8add72c0f then f8add72c0f with changes abc123"),
        "host": ("node1", "node1 then node3"),
    }
    assert _told(packages(a, b)) == {"torch": ("2.14.1", "2.14.1 then 2.15.0")}


@pytest.mark.parametrize("broken", [{}, {"git": "x", "packages": 3, "variables": []}])
def test_an_environment_of_another_kind_is_no_error(tmp_path: Path, broken: dict[str, Any]) -> None:
    a, b = _run(tmp_path, config_of("fsq")), _run(tmp_path, config_of("ema"), environment=broken)
    assert "code" in _told(environment(a, b))
    assert packages(a, b).different
