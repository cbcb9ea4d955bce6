"""How long a GPU waits for data: the arithmetic, and on a GPU the whole."""

import pytest
import torch

from vqx.benchmarks.data_gpu import BATCH, HEADER, STEPS, Waiting, covered, waiting, waiting_table
from vqx.benchmarks.data_images import CASES, write_stock
from vqx.benchmarks.worker import Failure


def test_waiting_is_what_the_same_steps_take_longer_in_a_round():
    found = Waiting([10.0, 20.0, 8.0], [9.0, 16.0, 9.0], 0.5)
    assert found.share == pytest.approx(0.1)  # 0.1, 0.2, and none where the loader was faster
    assert found.speed == pytest.approx(BATCH * STEPS / 10)


@pytest.mark.parametrize(
    ("spans", "by", "share"),
    [
        ([(0, 4)], [(1, 2), (3, 9)], 0.5),
        ([(0, 4), (6, 10)], [(2, 8)], 0.5),
        ([(0, 4)], [(0, 2), (1, 3), (1, 2)], 0.75),  # kernels of several streams count once
        ([(0, 4)], [(4, 8)], 0.0),
        ([(5, 6)], [(8, 9), (0, 7)], 1.0),
        ([(0, 4)], [], 0.0),
        ([], [(0, 1)], None),
    ],
)
def test_what_is_hidden_of_copies(spans, by, share):
    assert covered(spans, by) == share


def test_the_table_names_what_is_missed_and_what_failed():
    found = {
        "memory": Waiting([10.0], [9.9], None),
        "ffcv": Waiting([10.0], [9.0], 0.987),
        "other": Failure("why"),
    }
    rows = waiting_table(found, "a GPU").rows
    texts = [[cell.text + cell.mark for cell in row] for row in rows]
    assert all(len(row) == len(HEADER) for row in rows)
    assert texts[0] == ["memory", "64", "1.0 (≤ 2)", "-", ""]
    assert texts[1] == ["ffcv", "64", "10.0 (≤ 2) MISS", "99", ""]
    assert texts[2] == ["other", "-", "-", "-", "why"]


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_is_fed(tmp_path):
    stock = write_stock(tmp_path, CASES["256-256"], images=8, workers=0)
    found = waiting(stock.prepared["memmap"], "memory", workers=2, rounds=1)
    assert 0 <= found.share < 1
    assert 0 <= found.hidden <= 1
