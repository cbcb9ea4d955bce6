"""The README's section on adding a quantizer does what it says when typed in."""

import re
from pathlib import Path

import pytest

from tests.commands import TINY, only_run, run, status_of
from vqx.sweeps.planned import Action
from vqx.sweeps.view import sweep_jobs

README = Path(__file__).parent.parent / "README.md"


def _blocks() -> dict[str, str]:
    """The section's files, by the name that the text before each block gives."""
    text = README.read_text()
    section = text[text.index("### Add your own quantizer") :]
    section = section[: section.index("\n### ", 4)]
    files: dict[str, str] = {}
    for before, code in re.findall(r"(.*?)```(?:python|yaml)\n(.*?)```", section, re.DOTALL):
        files[re.findall(r"`([\w/]+\.(?:py|yaml))`", before)[-1]] = code
    return files


@pytest.mark.slow
def test_the_quantizer_of_the_readme_trains_and_passes_its_test(tmp_path):
    blocks = _blocks()
    assert set(blocks) == {"mine.py", "my_conf/quantizer/sign.yaml", "test_mine.py"}
    for name, code in blocks.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(code)
    tested = run("pytest", "-q", "-p", "no:cacheprovider", "test_mine.py", cwd=tmp_path)
    assert "1 passed" in tested.stdout, tested.stdout
    words = ("--config-dir", "my_conf", "quantizer=sign", "bits=8")
    trained = run("vqx.train", *words, *TINY, cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    folder = only_run(tmp_path / "results")
    assert folder.name.startswith("sign-bits8-photos-seed0-")
    assert status_of(folder)["state"] == "done"


def test_the_sweep_file_of_the_readme_plans(tmp_path):
    text = README.read_text()
    sweep = re.search(r"### The file.*?```yaml\n(.*?)```", text, re.S)[1]
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps/mine.yaml").write_text(sweep)
    jobs = sweep_jobs(["+sweeps=mine", f"results={tmp_path}"], config_dir=tmp_path)
    assert [job.action for job in jobs] == [Action.RUN] * (3 * 2 * 3)  # seeds, zip, rows
    assert {job.config["trainer"]["steps"] for job in jobs} == {20000}
