"""`python -m vqx.evaluate`: the same numbers from the checkpoint, and other data."""

import json
import shutil
import signal

import pytest
import yaml

from tests.commands import TINY, only_run, result_of, run, start
from tests.test_resume import wait_for_step
from vqx.errors import ConfigError
from vqx.evaluate import main, overridden


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run and the folder it was started in."""
    place = tmp_path_factory.mktemp("evaluate")
    done = run("vqx.train", *TINY, "trainer.ema_decay=0.9", cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    return place, only_run(place / "results")


def test_a_run_measured_again_gives_the_same_result(finished):
    place, folder = finished
    before = result_of(folder)
    (folder / "result.json").unlink()
    assert run("vqx.evaluate", str(folder), cwd=place).returncode == 0
    after = result_of(folder)
    assert after["metrics"] == before["metrics"]
    assert after["model"] == before["model"]
    (folder / "result.json").write_text(json.dumps(before))


def test_a_run_that_has_not_ended_is_measured_but_not_made_done(tmp_path):
    stopped = start("vqx.train", *TINY, "trainer.steps=100000", cwd=tmp_path)
    wait_for_step(stopped, tmp_path / "results", 2)
    stopped.send_signal(signal.SIGTERM)
    stopped.communicate(timeout=60)
    folder = only_run(tmp_path / "results")
    done = run("vqx.evaluate", str(folder), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not (folder / "result.json").exists()
    (answer,) = (folder / "evaluations").glob("photos-*-step*.json")
    assert json.loads(answer.read_text())["complete"] is False


def test_a_poorer_measurement_does_not_replace_the_result(finished):
    place, folder = finished
    before = (folder / "result.json").read_bytes()
    richer = json.loads(before)
    richer["metrics"]["lpips"] = {"value": 0.1, "stamp": "alex", "better": "lower"}
    (folder / "result.json").write_text(json.dumps(richer))
    refused = run("vqx.evaluate", str(folder), cwd=place)
    assert refused.returncode == 1
    assert "result.json is kept: lpips could not be measured" in refused.stderr
    assert json.loads((folder / "result.json").read_text()) == richer
    (folder / "result.json").write_bytes(before)


def test_another_cache_reaches_every_place_that_uses_it():
    stored = {
        "cache_dir": "/old",
        "data": {"cache_dir": "/old/data"},
        "metrics": {"lpips": {"cache_dir": "/old"}, "other": "/older"},
    }
    moved = overridden(stored, ["cache_dir=/new"])
    assert moved["data"]["cache_dir"] == "/new/data"
    assert moved["metrics"] == {"lpips": {"cache_dir": "/new"}, "other": "/older"}


def test_other_data_go_to_a_place_of_their_own(finished, tmp_path):
    place, folder = finished
    before = (folder / "result.json").read_bytes()
    pictures = tmp_path / "pictures" / "validation"
    pictures.mkdir(parents=True)
    shutil.copytree(pictures, pictures.parent / "train")
    _write_images(pictures, 3)
    _write_images(pictures.parent / "train", 2)
    overrides = ["data=folder", f"data.root={pictures.parent}", "data.image_size=32"]
    overrides.append(f"data.cache_dir={tmp_path}")
    done = run("vqx.evaluate", str(folder), *overrides, cwd=place)
    assert done.returncode == 0, done.stderr
    (answer,) = (folder / "evaluations").glob("folder-*.json")
    result = json.loads(answer.read_text())
    assert result["data"]["images"] == 3
    assert result["cost"]["steps"] == 6
    assert (folder / "result.json").read_bytes() == before


def evaluated(monkeypatch, capsys, *words):
    """Exit code and standard error of `vqx.evaluate WORDS`, in this process."""
    monkeypatch.setattr("sys.argv", ["vqx.evaluate", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code, capsys.readouterr().err


def test_own_pictures_and_the_codebook(finished, tmp_path, monkeypatch, capsys):
    _, folder = finished
    _write_images(tmp_path, 2)
    (tmp_path / "2.png").write_bytes(b"broken")
    before = (folder / "result.json").read_bytes()
    code, errors = evaluated(monkeypatch, capsys, folder, f"images={tmp_path}")
    assert code == 1
    assert "2.png: cannot identify" in errors
    assert "Traceback" not in errors
    assert len(list((folder / "pictures" / "panels").iterdir())) == 2
    (folder / "pictures" / "embeddings.png").unlink()
    assert evaluated(monkeypatch, capsys, folder, "plots=true")[0] == 0
    assert (folder / "pictures" / "embeddings.png").exists()
    assert (folder / "result.json").read_bytes() == before


@pytest.mark.parametrize("words", [[], ["plots=true"], ["data.image_size=32"]])
def test_a_strangers_data_set_is_not_built(finished, tmp_path, monkeypatch, capsys, words):
    config = yaml.safe_load((finished[1] / "config.yaml").read_text())
    config["data"]["_target_"] = "mine.data"
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    code, errors = evaluated(monkeypatch, capsys, tmp_path, *words)
    assert (code, errors.count("\n")) == (1, 1)
    assert "allow=mine" in errors


@pytest.mark.parametrize("key", ["data", "seed"])
def test_nothing_stored_is_resolved(finished, tmp_path, monkeypatch, capsys, key):
    config = yaml.safe_load((finished[1] / "config.yaml").read_text())
    hidden = "${oc.env:HOME}"
    config[key] = hidden if key == "seed" else {**config[key], "name": hidden}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    code, errors = evaluated(monkeypatch, capsys, tmp_path, "trainer.device=cpu")
    assert (code, errors.count("\n")) == (1, 1)
    assert "has the interpolation '${oc.env:HOME}'" in errors


def _write_images(folder, count):
    from skimage.data import astronaut
    from skimage.io import imsave

    for index in range(count):
        imsave(folder / f"{index}.png", astronaut()[index * 40 : index * 40 + 48, 100:160])


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["absent"], "absent is no run folder"),
        (["RUN", "trainer.learning_rate=1"], "cannot be changed for a trained run"),
        (["RUN", "data=nowhere"], "there is no data=nowhere"),
    ],
)
def test_a_mistake_is_one_line(finished, arguments, line):
    place, folder = finished
    words = [str(folder) if word == "RUN" else word for word in arguments]
    wrong = run("vqx.evaluate", *words, cwd=place)
    assert wrong.returncode == 1
    assert line in wrong.stderr
    assert len(wrong.stderr.strip().splitlines()) == 1, wrong.stderr


def test_without_overrides_the_stored_configuration_is_used_as_it_is():
    stored = {"data": {"name": "photos"}}
    assert overridden(stored, []) is stored
    with pytest.raises(ConfigError, match="seed=3"):
        overridden(stored, ["seed=3"])
