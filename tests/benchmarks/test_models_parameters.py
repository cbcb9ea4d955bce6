"""Parameters beside printed ones."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from vqx.benchmarks import models_measuring
from vqx.benchmarks.models_parameters import CLOSE, PRINTED, Printed, counted, parameters_table


def test_parameters_are_judged_by_two_per_cent():
    rows = [Printed("a", 1e6, ()), Printed("b", 1e6, (), why="one layer less"), PRINTED[0]]
    table = parameters_table({"a": 1_020_000, "b": 979_000}, rows)
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["a", "1.020", "1", "1.020", "yes"],
        ["b", "0.979", "1", "0.979", "no: one layer less"],
    ]


@pytest.mark.parametrize("start", ["MinVQVAE", "swasun, EMA", "boessen", "Doraemonzzz"])
def test_printed_parameters_are_met(start):
    row = next(row for row in PRINTED if row.label.startswith(start))
    assert counted(row) == pytest.approx(row.theirs, rel=CLOSE)


@pytest.mark.slow
@pytest.mark.parametrize("row", PRINTED, ids=lambda row: row.label)
def test_a_printed_number_is_met_or_its_difference_explained(row):
    close = counted(row) == pytest.approx(row.theirs, rel=CLOSE)
    assert close != bool(row.why)


def test_a_compilers_tensors_hold_no_memory():
    with FakeTensorMode():
        fake = torch.empty(1000, 1000)
    before = models_measuring._held(torch.device("cpu"))
    kept = torch.empty(1000, dtype=torch.float32)
    assert models_measuring._held(torch.device("cpu")) - before == 4000
    del fake, kept
