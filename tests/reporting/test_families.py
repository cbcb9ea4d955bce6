"""Runs of the quantizers in conf/ are called by their files, and by what those do not say."""

from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from tests.reporting.test_csv import _parsed
from tests.reporting.test_frame import frame_of
from tests.reporting.test_notes import table_of
from tests.runs.synthetic import config_of, write_run
from vqx.config import conf_dir
from vqx.reporting.csv import render_rows
from vqx.reporting.frame import Frame
from vqx.reporting.selection import select
from vqx.runs.reading import read_runs

FAMILIES = sorted(path.stem for path in (conf_dir() / "quantizer").glob("*.yaml"))


def _shipped(family: str, /, *, seed: int = 0, **changes: Any) -> dict[str, Any]:
    """A resolved configuration with conf/quantizer/`family`.yaml; in `changes` dots are `__`."""
    quantizer = OmegaConf.load(conf_dir() / "quantizer" / f"{family}.yaml")
    for key, value in changes.items():
        OmegaConf.update(quantizer, key.replace("__", "."), value)
    rest = {k: v for k, v in config_of(seed=seed).items() if k not in ("levels", "quantizer")}
    resolved = OmegaConf.to_container(quantizer, resolve=True)
    assert isinstance(resolved, dict)
    return {**rest, **{str(key): value for key, value in resolved.items()}}


def _labels(frame: Frame) -> list[str]:
    return [row.label for row in frame.rows]


def test_every_shipped_quantizer_is_called_by_its_file(tmp_path: Path) -> None:
    frame = frame_of(tmp_path, *map(_shipped, FAMILIES))
    assert sorted(_labels(frame)) == FAMILIES
    assert (frame.unsaid, frame.common) == ({}, {})


def test_what_the_file_says_is_left_out_though_most_runs_differ(tmp_path: Path) -> None:
    zeros = [_shipped("ema", ema_init="zeros", quantizer__decay=d) for d in (0.9, 0.95, 0.99)]
    frame = frame_of(tmp_path, _shipped("ema"), _shipped("fsq"), *zeros)
    assert _labels(frame) == [
        "ema",
        "ema ema_init=zeros",
        "ema ema_init=zeros decay=0.9",
        "ema ema_init=zeros decay=0.95",
        "fsq",
    ]
    assert frame.unsaid == {"ema_init": "none (ema)", "decay": "0.99 (ema)"}
    ema, fsq = frame.rows[0], frame.rows[-1]
    assert (ema.varying["ema_init"], "ema_init" in fsq.varying) == ("none", False)


def test_a_knob_that_a_family_lacks_is_not_named_for_it(tmp_path: Path) -> None:
    configs = [_shipped("residual_vq", restart="none", quantizer_dropout=0.5, stages=2)]
    configs += [_shipped(name) for name in ("residual_vq", "residual_ema", "residual_lfq")]
    frame = frame_of(tmp_path, *configs)
    assert _labels(frame) == [
        "residual_ema",
        "residual_lfq",
        "residual_vq",
        "residual_vq stages=2 quantizer_dropout=0.5 restart=none",
    ]
    lines = {line["row"]: line for line in _parsed(render_rows(frame))}
    assert lines["residual_lfq"]["config.restart"] == ""
    assert lines["residual_ema"]["config.restart"] == "batch_vectors"


def test_a_root_knob_is_named_once_and_its_place_only_if_changed_there(tmp_path: Path) -> None:
    frame = frame_of(
        tmp_path,
        _shipped("vq"),
        _shipped("vq", restart="none"),
        _shipped("vq", init="kmeans", quantizer__restart__policy="none"),
    )
    assert _labels(frame) == ["baseline", "init=kmeans restart.policy=none", "restart=none"]
    assert frame.unsaid == {"init": "uniform", "restart": "batch_vectors"}
    alone = frame_of(
        tmp_path / "alone", _shipped("vq"), _shipped("vq", quantizer__restart__policy="none")
    )
    assert (alone.heading, _labels(alone)) == ("restart.policy", ["batch_vectors", "none"])
    alone = frame_of(tmp_path / "init", _shipped("vq"), _shipped("vq", quantizer__init="kmeans"))
    assert (alone.heading, _labels(alone)) == ("init", ["kmeans", "uniform"])


def test_values_left_out_that_differ_by_family_are_said_with_it(tmp_path: Path) -> None:
    configs = [_shipped(name) for name in ("vq", "product_vq", "cosine", "fsq")]
    frame = frame_of(tmp_path, *configs, _shipped("vq", init="kmeans"))
    assert "vq init=kmeans" in _labels(frame)
    assert frame.unsaid == {"init": "normal (cosine) or uniform (product_vq, vq)"}


def test_a_knob_that_no_other_quantizer_has_is_not_claimed_for_them(tmp_path: Path) -> None:
    names = ("vq", "ema", "cosine", "fsq")
    configs = [_shipped(name) for name in names]
    frame = frame_of(tmp_path, *configs, _shipped("vq", codebook_size=64))
    assert frame.unsaid == {"codebook_size": "512 (if any)"}
    frame = frame_of(tmp_path / "all", *configs[:-1], _shipped("vq", codebook_size=64))
    assert frame.unsaid == {"codebook_size": "512"}


def test_what_all_share_against_their_files_is_in_the_caption(tmp_path: Path) -> None:
    for config in (
        _shipped("fsq"),
        _shipped("ema", codebook_size=64),
        _shipped("vq", codebook_size=64, quantizer__commitment=1.0),
    ):
        write_run(tmp_path, config)
    caption = table_of(tmp_path).caption
    assert " · codebook_size=64 (ema, vq) · unless named commitment=0.25 (ema, vq) · " in caption


def test_null_is_a_value_and_a_missing_key_is_none(tmp_path: Path) -> None:
    older = _shipped("gumbel")
    del older["quantizer"]["kl_ramp"]
    frame = frame_of(
        tmp_path,
        _shipped("gumbel", quantizer__kl_ramp=None),
        _shipped("gumbel"),
        _shipped("lfq"),
    )
    assert _labels(frame) == ["gumbel", "gumbel kl_ramp=none", "lfq"]
    frame = frame_of(tmp_path / "older", older, _shipped("gumbel"), _shipped("lfq"))
    first, second, _ = _labels(frame)
    assert first != second
    assert "kl_ramp" not in first + second
    assert [row.varying.get("kl_ramp") for row in frame.rows].count(None) == 2


def test_a_changed_run_keeps_the_name_of_the_nearest_file(tmp_path: Path) -> None:
    changed = _shipped("cosine", distance="euclidean", estimator="rotation")
    frame = frame_of(tmp_path, _shipped("vq"), changed)
    assert _labels(frame) == ["cosine distance=euclidean estimator=rotation", "vq"]
    runs, _ = read_runs([str(tmp_path)])
    assert [run.slug for run in select(runs, {"quantizer": "cosine"})] == [
        run.slug for run in frame.rows[0].runs
    ]


def test_a_class_of_no_file_keeps_its_own_name_and_majority(tmp_path: Path) -> None:
    mine = {"_target_": "mine.Grid", "side": 3, "spread": 1.0}
    configs = [
        {**config_of(), "quantizer": {**mine, **change}, "levels": None, "codebook_size": 64}
        for change in ({}, {"side": 4}, {"spread": 2.0})
    ]
    frame = frame_of(tmp_path, *configs, _shipped("vq"))
    assert _labels(frame) == ["grid", "grid side=4", "grid spread=2.0", "vq"]
    assert frame.unsaid == {
        "side": "3 (grid)",
        "spread": "1.0 (grid)",
        "codebook_size": "64 (grid) or 512 (vq)",
    }
