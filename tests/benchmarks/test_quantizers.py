"""The quantizers' benchmark: true figures, and no machine killed."""

import argparse
import os
import resource
import time

import pytest
import torch

from vqx.benchmarks import machine, measuring, peak, quantizers
from vqx.benchmarks.alternation import alternate
from vqx.benchmarks.families import FAMILIES, Size
from vqx.benchmarks.floors import make_floor
from vqx.benchmarks.measuring import Figures, Measured, Setting, measure
from vqx.benchmarks.passes import Pass
from vqx.benchmarks.quantizer_table import Results
from vqx.benchmarks.worker import Failure, Worker
from vqx.errors import ConfigError, VqxError
from vqx.reporting.markdown import render_markdown

CPU = torch.device("cpu")
BRIEF = Setting(rounds=2, budget=0.2)


@pytest.mark.parametrize("name", ["ema", "fsq"])
def test_bf16_is_autocast_on_both_sides(name):
    pytest.importorskip("vector_quantize_pytorch")
    family, size = FAMILIES[name], Size(512, 1000, 4, (8, 5, 5, 5))
    for module in (family.ours(size).train(), family.theirs(size).train()):
        seen = []
        module.register_forward_pre_hook(
            lambda *_, s=seen: s.append(torch.is_autocast_enabled("cpu"))
        )
        one = Pass(module, tokens=512, width=size.width, device=CPU, dtype=torch.bfloat16)
        one()
        assert seen == [True]
        assert one.z.grad.dtype == torch.bfloat16


@pytest.mark.parametrize("mebibytes", [1, 64])
def test_peak_memory_sees_a_known_allocation(mebibytes):
    kept = []

    def call():
        first = torch.ones(mebibytes << 18)  # float32
        first = None  # noqa: F841
        kept.append(torch.ones(mebibytes << 17))
        torch.ones(mebibytes << 16)

    assert peak.peak_bytes(call, CPU) == pytest.approx(mebibytes << 20, rel=0.1)
    assert peak.peak_bytes(lambda: [call(), call()], CPU) == pytest.approx(1.5 * (mebibytes << 20))


def test_peak_memory_counts_gradients_and_the_backward_pass():
    z = torch.randn(1 << 20, requires_grad=True)
    assert peak.peak_bytes(lambda: z.tanh().sum().backward(), CPU) >= 2 * z.nbytes


def test_one_case_has_all_figures():
    pytest.importorskip("vector_quantize_pytorch")
    found = measure("vq", Size(1024, 512, 8), Setting(rounds=1, budget=0.2))
    assert found.agreement == 1
    assert found.floor > 0
    for side in (found.ours, found.theirs):
        assert side.seconds > 0
        assert not side.foreseen
    assert found.theirs.peak > 1024 * 512 * 4  # all scores at once, at least
    assert found.faster == found.theirs.seconds / found.ours.seconds
    assert found.of_floor == found.ours.seconds / found.floor
    assert found.rounds == 1


def test_a_peer_that_needs_too_much_is_refused_beforehand(monkeypatch):
    pytest.importorskip("vector_quantize_pytorch")
    size = Size(8192, 512, 8)
    monkeypatch.setattr(peak, "available_bytes", lambda device: 64 << 20)
    calls = []
    whole = Pass.__call__

    def watched(one):
        calls.append((type(one.module).__name__, one.z.numel() // size.width))
        assert one.module.training
        whole(one)

    monkeypatch.setattr(Pass, "__call__", watched)
    found = measure("ema", size, BRIEF)
    assert found.theirs is None
    assert found.faster is None
    assert found.note == "peer does not fit (needs about 0.1 GiB)"  # 6 of 8192 x 512 float32
    assert max(n for module, n in calls if module == "VectorQuantize") <= measuring.FEW
    assert ("EMA", 8192) in calls


def test_what_a_peer_needs_is_foreseen_from_a_few_tokens():
    pytest.importorskip("vector_quantize_pytorch")
    size = Size(4096, 512, 8)
    module = FAMILIES["ema"].theirs(size).train()
    need, _ = measuring._foresee(module, size, BRIEF)
    one = Pass(module, tokens=4096, width=8, device=CPU, dtype=torch.float32)
    one.clear()
    assert need == pytest.approx(peak.peak_bytes(one, CPU), rel=0.02)


def test_a_pass_beyond_patience_is_foreseen_and_marked():
    pytest.importorskip("vector_quantize_pytorch")
    found = measure("ema", Size(1024, 64, 8), Setting(rounds=1, budget=0.1, patience=0.0))
    assert found.theirs.foreseen
    assert found.faster == pytest.approx(found.theirs.seconds / found.ours.seconds)
    row = Results({("ema", Size(1024, 64, 8)): found}).table("").rows[0]
    assert row[2].text.startswith("~")
    assert row[3].text.startswith("~")


def test_without_the_peer_the_rest_is_measured(monkeypatch, capsys, tmp_path):
    for module in (measuring, quantizers):
        monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    found = measure("ema", Size(512, 64, 8), BRIEF)
    assert found.theirs is None
    assert found.floor > 0
    monkeypatch.setattr(quantizers, "_measure_all", lambda *arguments: None)
    quantizers.run(parse("--quick"))
    assert "pip install vector-quantize-pytorch" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "products"), [("ema", 1), ("residual", 8), ("gumbel", 3)])
def test_the_floor_is_whole_matrix_products(name, products):
    """Multiply-adds as torch's own counter sees them."""
    from torch.utils.flop_counter import FlopCounterMode

    size = Size(3072, 640, 8)
    floor = make_floor(FAMILIES[name], size, CPU)
    with FlopCounterMode(display=False) as counter:
        floor()
    assert counter.get_total_flops() == products * 2 * 3072 * 640 * 8


def test_rounds_alternate_and_keep_to_the_budget():
    order = []
    calls = {name: lambda name=name: order.append(name) for name in ("a", "b")}
    times = alternate(calls, CPU, rounds=3, budget=1e9)
    assert [len(seconds) for seconds in times.values()] == [3, 3]
    turns = [name for name, after in zip(order, [*order[1:], ""], strict=True) if name != after]
    assert turns == ["a", "b"] * 3  # a first try of each, then a b, b a, a b
    assert len(alternate(calls, CPU, rounds=3, budget=1e-9)["a"]) == 1


def test_long_calls_are_timed_once():
    order = []
    calls = {name: lambda name=name: order.append(name) or time.sleep(0.06) for name in "ab"}
    times = alternate(calls, CPU, rounds=3, budget=0.1)
    assert order == ["a", "b"]
    assert all(seconds[0] >= 0.06 for seconds in times.values())


def test_the_table_marks_what_misses_its_target():
    fast = Measured(Figures(1e-3, 1 << 20), Figures(9e-3, 8 << 20), 6e-4, 9.0, 1.7, 5, 1.0)
    slow = Measured(Figures(1e-3, 1 << 29), Figures(5e-3, 8 << 20), 4e-4, 5.0, 2.5, 5, 0.5)
    sizes = Size(8192, 1024, 8), Size(8192, 8192, 8), Size(8192, 65536, 8)
    cells = dict(zip([("ema", s) for s in sizes], [fast, slow, Failure("why")], strict=True))
    lines = render_markdown(Results(cells).table("caption")).splitlines()
    first, second, third = (line for line in lines if line.startswith("| ema"))
    assert "9 (≥ 8) |" in first
    assert "MISS" not in first
    assert second.count("MISS") == 3
    assert "only 50.0% of tokens quantized alike" in second
    assert "failed: why" in third
    assert any("4 of 7 figures missed" in line for line in lines)
    meaning, flat = (line for line in lines if "codebooks" in line)
    assert "grows by at most 8 codebooks of K x D float32" in meaning
    assert flat.endswith("MISS")


def test_a_process_that_ends_is_a_failure_and_not_the_end():
    worker = Worker(limited=True)
    try:
        most, _ = worker(resource.getrlimit, resource.RLIMIT_AS)
        assert 0 < most < machine.available_memory() + (1 << 30)
        assert worker(bytearray, most).reason.startswith("MemoryError")
        assert worker(int, "x").reason.startswith("ValueError: invalid literal")
        assert worker(os.abort) == Failure("its process ended with SIGABRT")
        assert worker(abs, -3) == 3
    finally:
        worker.close()


def parse(*words):
    parser = argparse.ArgumentParser()
    quantizers.add_arguments(parser)
    return parser.parse_args(words)


def test_the_grid_is_the_whole_one_by_default():
    sizes = list(quantizers._sizes(parse()))
    assert len(sizes) == len(set(sizes)) == 8 * 12 + 2 * 6 + 4 * 4
    assert ("residual", Size(32768, 65536, 64)) in sizes
    assert ("bsq", Size(8192, 2**18, 18)) in sizes
    assert ("ifsq", Size(8192, 64000, 6, (8, 8, 8, 5, 5, 5))) in sizes
    assert len(list(quantizers._sizes(parse("--quick")))) == len(FAMILIES)


@pytest.mark.parametrize(
    "words",
    [["--families", "nope"], ["--tokens", "100"], ["--out", "/nowhere/x.md"], ["--rounds", "-1"]],
)
def test_wrong_arguments_are_told_before_anything_runs(words):
    with pytest.raises(ConfigError):
        quantizers.run(parse("--quick", *words))


@pytest.mark.slow
def test_the_command_writes_its_table(tmp_path, capsys):
    words = ["--families", "fsq", "--tokens", "512", "--levels", "8,5,5,5", "--budget", "0.1"]
    quantizers.run(parse(*words, "--out", str(tmp_path / "table.md")))
    assert "fsq  N 512  K 1,000" in capsys.readouterr().out
    assert "| fsq N 512 K 1,000" in (tmp_path / "table.md").read_text()


def test_a_family_that_fails_is_named_at_the_end(monkeypatch):
    def fail(sizes, setting, results):
        results.cells[sizes[0]] = Failure("why")

    monkeypatch.setattr(quantizers, "_measure_all", fail)
    with pytest.raises(VqxError, match="ema"):
        quantizers.run(parse("--quick"))
