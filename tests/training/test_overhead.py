"""The overhead benchmark: two loops of the same steps, and a share that adds up."""

import re

import pytest

from vqx.training.overhead import measure_overhead


@pytest.mark.slow
def test_it_compares_the_trainer_with_a_bare_loop():
    overrides = ["metrics=fast", "data.image_size=32", "model.width=16", "trainer.device=cpu"]
    text = measure_overhead([*overrides, "trainer.batch_size=8"], steps=2, rounds=2)
    median = float(re.search(r"median ([\d.]+)", text)[1])
    share = float(re.search(r"optimizer: (-?[\d.]+)%", text)[1])
    assert share == pytest.approx(100 * (1 - 1 / median), abs=0.2)
    assert "2 pairs of 2 steps" in text
