"""A whole run on prepared images: killed, resumed, with another loader: the same bits."""

import os
import signal

import pytest

from tests.commands import TINY, only_run, run, start
from tests.data.files import write_image
from tests.data.loaders import prepared
from tests.test_resume import assert_equal_runs, wait_for_step


@pytest.mark.slow
def test_killed_on_ffcv_files_a_run_ends_with_the_bits_of_an_unbroken_one(tmp_path):
    root = tmp_path / "images"
    for split, count in (("train", 9), ("validation", 3)):
        for i in range(count):
            write_image(root / split / f"{i}.png", height=36 + i % 5, width=36 + i % 7, seed=i)
    prepared(root, tmp_path / "betons", load=36)
    words = (
        *TINY,
        "data=folder",
        f"data.root={tmp_path / 'betons'}",
        "trainer.batch_size=4",  # nine images: steps across the ends of epochs
        "trainer.steps=8",
        "trainer.checkpoint_every=1",
        "trainer.evaluate_every=5",
    )
    theirs = tmp_path / "unbroken"
    theirs.mkdir()
    done = run("vqx.train", *words, "data.loader=memory", cwd=theirs)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "data loader: memory\n" in done.stdout
    ours = (*words, "data.loader=ffcv")
    process = start("vqx.train", *ours, cwd=tmp_path)
    wait_for_step(process, tmp_path / "results", 3)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    resumed = run("vqx.train", *ours, cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert "resuming at step" in resumed.stdout
    folders = [only_run(place / "results") for place in (tmp_path, theirs)]
    assert folders[0].name == folders[1].name
    assert_equal_runs(*folders)
