"""A run whose codebook collapsed: a result, a state of its own, and no second training."""

import pytest

from tests.commands import TINY, lines_of, only_run, result_of, run, status_of
from vqx.runs.reading import read_run

# With so high a floor every six-step run counts as collapsed.
COLLAPSING = (*TINY, "quantizer=vq", "codebook_size=256", "trainer.collapse_floor=1")


@pytest.mark.slow
def test_a_collapsed_run_is_a_result_and_says_so_each_time(tmp_path):
    done = run("vqx.train", *COLLAPSING, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = only_run(tmp_path / "results")
    status, result = status_of(folder), result_of(folder)
    usage = result["metrics"]["usage"]["value"]
    note = f"usage {usage:.2%} of 256 codes, under trainer.collapse_floor=1"
    assert (status["state"], status["message"]) == ("collapsed", note)
    assert done.stdout.splitlines()[-2:] == [f"collapsed: {note}", str(folder)]
    first = lines_of(folder)[0]
    assert {"latent_norm", "codebook_norm", "commitment_ratio", "dead_code_age"} <= first.keys()
    before = (folder / "metrics.jsonl").read_bytes()
    again = run("vqx.train", *COLLAPSING, cwd=tmp_path)
    assert again.returncode == 0
    assert "done already" in again.stdout
    assert f"collapsed: {note}" in again.stdout
    assert (folder / "metrics.jsonl").read_bytes() == before
    report = run("vqx.report", cwd=tmp_path)
    assert "collapsed" in report.stdout
    assert run("vqx.evaluate", str(folder), cwd=tmp_path).returncode == 0
    assert (read_run(folder).state, read_run(folder).note) == ("collapsed", note)
    assert result_of(folder)["metrics"] == result["metrics"]
