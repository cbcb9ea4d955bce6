"""A whole run on a folder: killed, resumed, with another loader: the same bits."""

import os
import signal

import pytest

from tests.commands import TINY, only_run, run, start
from tests.data.files import write_image
from tests.data.loaders import prepared
from tests.test_resume import assert_equal_runs, wait_for_step

STEPS = (
    "data=folder",
    "trainer.batch_size=4",  # nine images: steps across the ends of epochs
    "trainer.steps=8",
    "trainer.checkpoint_every=1",
    "trainer.evaluate_every=5",
)


@pytest.fixture
def images(tmp_path):
    root = tmp_path / "images"
    for split, count in (("train", 9), ("validation", 3)):
        for i in range(count):
            write_image(root / split / f"{i}.png", height=36 + i % 5, width=36 + i % 7, seed=i)
    return root


def trained(place, *words):
    """The folder of a run that nothing disturbed, and what it printed."""
    place.mkdir(exist_ok=True)
    done = run("vqx.train", *words, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    return only_run(place / "results"), done.stdout


def killed_at(step, place, *words):
    process = start("vqx.train", *words, cwd=place)
    wait_for_step(process, place / "results", step)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("mode", ["raw", pytest.param("jpg", marks=pytest.mark.ffcv)])
def test_killed_on_ffcv_files_a_run_ends_with_the_bits_of_an_unbroken_one(mode, images, tmp_path):
    prepared(images, tmp_path / "betons", load=36, mode=mode)
    words = (*TINY, *STEPS, f"data.root={tmp_path / 'betons'}")
    other = "memory" if mode == "raw" else "ffcv"
    theirs, printed = trained(tmp_path / "unbroken", *words, f"data.loader={other}")
    assert f"data loader: {other}\n" in printed
    killed_at(3, tmp_path, *words, "data.loader=ffcv")
    ours, printed = trained(tmp_path, *words, "data.loader=ffcv")
    assert "resuming at step" in printed
    assert ours.name == theirs.name
    assert_equal_runs(ours, theirs)


@pytest.mark.slow
@pytest.mark.long
def test_every_loader_goes_on_where_another_was_killed_but_not_with_other_images(images, tmp_path):
    words = (*TINY, *STEPS, f"data.root={images}", f"cache_dir={tmp_path / 'cache'}")
    theirs, _ = trained(tmp_path / "unbroken", *words, "data.loader=memory")
    killed_at(2, tmp_path, *words, "data.loader=folder")
    killed_at(4, tmp_path, *words, "data.loader=memmap")
    new = images / "train" / "new.png"
    write_image(new, height=40, width=40)
    refused = run("vqx.train", *words, "data.loader=folder", cwd=tmp_path)
    assert refused.returncode != 0
    assert "the training images are not those" in refused.stderr
    assert "9 images then, 10 images now" in refused.stderr
    new.unlink()
    ours, printed = trained(tmp_path, *words, "data.loader=memory")
    assert "resuming at step" in printed
    assert_equal_runs(ours, theirs)
