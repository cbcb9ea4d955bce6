"""Configurations side by side."""

from tests.runs.synthetic import config_of, environment_of, write_run
from vqx.reporting.page.configurations import flat_texts, side_by_side
from vqx.runs.reading import read_runs


def runs_of(tmp_path, *configs, **options):
    for config in configs:
        write_run(tmp_path, config, **options)
    return read_runs([str(tmp_path)])[0]


def test_values_are_written_as_they_are_typed():
    texts = flat_texts({"a": {"_target_": "x.Y", "b": [1, 2], "c": None}, "d": {"e": True}})
    assert texts == {"a": "x.Y", "a.b": "1,2", "a.c": "none", "d.e": "true"}


def test_what_all_share_is_kept_once_and_the_rest_by_run(tmp_path):
    runs = runs_of(tmp_path, config_of("vq"), config_of("vq", trainer__learning_rate=0.5))
    found = side_by_side(runs)
    assert found["common"]["trainer.steps"] == "800"
    assert sorted(own["trainer.learning_rate"] for own in found["own"]) == ["0.001", "0.5"]
    assert not set(found["common"]) & set(found["own"][0])
    for run, own in zip(runs, found["own"], strict=True):
        assert (found["common"] | own).items() >= flat_texts(run.config).items()


def test_a_key_that_one_lacks_is_not_common(tmp_path):
    found = side_by_side(runs_of(tmp_path, config_of("vq"), config_of("ema")))
    assert "quantizer.beta" not in found["common"]
    assert [("quantizer.beta" in own) for own in found["own"]].count(True) == 1


def test_what_cannot_change_a_number_is_told_apart(tmp_path):
    found = side_by_side(runs_of(tmp_path, config_of("vq")))
    assert {"trainer.devices", "data.workers", "results"} <= set(found["placement"])
    assert not {"trainer.steps", "seed", "codebook_size"} & set(found["placement"])


def test_code_and_machine_stand_beside_it(tmp_path):
    environment = environment_of(device="NVIDIA H100")
    found = side_by_side(runs_of(tmp_path, config_of("vq"), environment=environment))
    assert found["common"]["made with: device"] == "NVIDIA H100"
    assert found["common"]["made with: code"].startswith("code f8add72")


def test_no_runs_have_no_configuration():
    assert side_by_side([]) == {"keys": [], "common": {}, "own": [], "placement": []}
