"""`python -m vqx.report` as a user meets it."""

import csv
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.runs.synthetic import QUANTIZERS, config_of, write_run
from vqx.errors import ConfigError
from vqx.report import main, report
from vqx.reporting.options import Options, parse
from vqx.runs.status import State


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nine runs in the default place of an otherwise empty working folder."""
    folder = tmp_path / "results" / "runs"
    for name in QUANTIZERS:
        for seed in range(3):
            state = State.FAILED if (name, seed) == ("vq", 1) else State.DONE
            write_run(folder, config_of(name, seed=seed), state=state)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VQX_RESULTS", raising=False)
    monkeypatch.setenv("COLUMNS", "140")
    return folder


def test_the_tables(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines() if " ± " in line][:3] == [
        "ema",
        "fsq",
        "vq",
    ]
    assert "2 done, 1 failed" in out
    tables = Path("results/tables")
    assert {path.name for path in tables.iterdir()} == {
        "ablation.md",
        "ablation.csv",
        "ablation-runs.csv",
        "ablation.tex",
    }
    for path in sorted(tables.iterdir()):
        assert f"wrote {path}" in out
    assert "| vq | 1024 |" in (tables / "ablation.md").read_text()
    assert len(list(csv.reader((tables / "ablation.csv").open()))) == 4
    assert len(list(csv.reader((tables / "ablation-runs.csv").open()))) == 10


def test_the_same_runs_give_the_same_bytes(runs: Path) -> None:
    main([])
    first = Path("results/tables/ablation.md").read_bytes()
    main([])
    assert Path("results/tables/ablation.md").read_bytes() == first


def test_selection_sorting_names_and_places(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["quantizer=fsq", "seed=0", "levels=[8,5,5,5]", "columns=[usage,psnr]", "name=one"]
    assert main([*words, "out=elsewhere", f"runs={runs}"]) == 0
    assert "usage ↑ %  PSNR ↑ dB  n  state" in capsys.readouterr().out
    assert len(Path("elsewhere/one-runs.csv").read_text().splitlines()) == 2
    assert main([str(path) for path in runs.glob("ema*")]) == 0
    assert "n  state" in capsys.readouterr().out
    assert main(["seeds=separate", "sort=perplexity"]) == 0
    assert "fsq seed=2" in capsys.readouterr().out


def test_published_rows_stand_beside_ours(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Found from any working folder; without asking, `row` in a configuration changes nothing."""
    main(["name=before", "out=t"])
    for path in runs.glob("ema*/config.yaml"):
        path.write_text(path.read_text() + "row: swasun/ema_shuffled\n")
    for path in runs.glob("vq*/config.yaml"):
        path.write_text(path.read_text() + "row: null\n")
    main(["name=after", "out=t"])
    for end in (".md", ".csv", "-runs.csv"):
        assert Path(f"t/before{end}").read_bytes() == Path(f"t/after{end}").read_bytes()
    capsys.readouterr()
    assert main(["published=[swasun,minvqvae]", "row=swasun/*", "sort=psnr"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^swasun/ema_shuffled  .*\n↳ published: EMA, shuffled", out, re.MULTILINE)
    assert "minvqvae/masked_10_epochs" in out
    assert "fsq" not in out
    assert "*↳ published: EMA, shuffled*" in Path("results/tables/ablation.md").read_text()
    with Path("results/tables/ablation.csv").open() as file:
        assert {line["source"] for line in csv.DictReader(file)} == {"vqx", "published"}
    assert main(["row=swasun/original*"]) == 1


def test_results_elsewhere_by_the_variable(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    monkeypatch.setenv("VQX_RESULTS", str(tmp_path / "results"))
    assert main([]) == 0
    assert (tmp_path / "results" / "tables" / "ablation.md").exists()


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("quantiser=fsq", "'quantiser' is neither an option nor a key .*did you mean 'quantizer'"),
        ("rnus=x", "'rnus' is neither an option nor .*did you mean 'runs'"),
        ("sort=pnsr", "no column 'pnsr' .*did you mean 'psnr'"),
        ("columns=[usage,x]", "no column 'x'.*there are: codes, codebooks, usage"),
        ("seeds=both", "seeds=both: must be folded or separate"),
        ("name=a/b", "name=a/b: must be a plain file name"),
        ("--verbose", "unknown option '--verbose': options are written KEY=VALUE"),
        ("quantizer=lfq", "none of the 9 runs in results/runs has quantizer=lfq"),
        ("runs=nowhere", "no runs in nowhere: make one with `python -m vqx.train`"),
        ("no/such", "'no/such' is neither KEY=VALUE nor a run folder"),
        ("whree=seed<3", "did you mean 'where'"),
        ("where=sede<3", "no run has 'sede' .*did you mean 'seed'"),
        ("spread=sdt", "spread=sdt: must be std, interval, bootstrap or none .*did you mean 'std'"),
        ("formats=pdf", "formats=pdf: must be md, csv, tex, json, html or all"),
        ("baseline=vqq", "baseline=vqq: no such row .*did you mean 'vq'.*there are: ema, fsq, vq"),
        ("rows=[vqq]", "rows: no row 'vqq' .*did you mean 'vq'"),
        ("pivot=levels", "pivot=levels: two keys are needed"),
        ("pivot=levels,steps", "'levels' does not differ between these rows.*what does: quantizer"),
        ("table=headlin", "there is no .*headlin.yaml"),
        ("x=bits", "x= says what a picture shows: name it too, as pictures=all"),
        ("pictures=paretto", "pictures=paretto: no such value .*did you mean 'pareto'"),
        ("wandb=push", "wandb=push: must be sync"),
        (
            "published=sawsun",
            "no such table .*did you mean 'swasun'.*there are: boessen, .*; or all",
        ),
        ("published=", "published=: no such table; there are: boessen"),
    ],
)
def test_mistakes_are_one_line(
    runs: Path, capsys: pytest.CaptureFixture[str], word: str, message: str
) -> None:
    assert main([word]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert re.search(message, captured.err), captured.err


def test_folders_that_are_no_runs_are_said(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(7):
        (runs / f"notes{number}").mkdir()
    assert main([]) == 0
    out = capsys.readouterr().out
    assert "skipped results/runs/notes0: no config.yaml" in out
    assert "skipped 2 more folders" in out
    assert main(["runs=results"]) == 1
    assert "no runs in results (2 other folders)" in capsys.readouterr().err


def test_help_fits_a_screen(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) < 48
    assert max(map(len, lines)) <= 100


def test_words_are_parsed() -> None:
    assert parse(["runs=[a,b]", "runs=c", "data.name=photos"]) == Options(
        runs=("a", "b", "c"), filters={"data.name": "photos"}
    )
    with pytest.raises(ConfigError):
        parse(["seeds=x"])


def test_a_sweep_is_shown_whole_and_nothing_else(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In its order, missing and refused ones said; a run of two sweeps is in both."""
    from vqx.sweeps.view import sweep_jobs

    jobs = sweep_jobs(["quantizer=vq,fsq", "seed=0,1"])
    folders = [job.folder.path for job in jobs if job.folder is not None]
    for path, job in zip(folders[:3], jobs, strict=False):
        write_run(runs, dict(job.config or {}))
        assert (path / "config.yaml").exists()
    assert main(["-m", "quantizer=vq,fsq", "seed=0,1", "columns=[psnr]", "name=two"]) == 0
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines() if line.startswith(("vq ", "fsq ", "ema "))]
    assert [row[0] for row in rows[:2]] == ["vq", "fsq"]
    assert rows[0][-1] == "done"
    assert rows[1][-3:] == ["done,", "1", "missing"]
    assert re.search(r"4 runs: 3 done, 1 missing", out)
    assert f"seed 1 missing ({folders[3]})" in out
    with Path("results/tables/two-runs.csv").open() as file:
        states = [line["state"] for line in csv.DictReader(file)]
    assert states == ["done", "done", "done", "missing"]
    assert not folders[3].exists()
    assert main(["-m", "quantizer=fsq", "seed=0,1", "seeds=separate", "name=one"]) == 0
    assert len(Path("results/tables/one-runs.csv").read_text().splitlines()) == 3


def test_a_sweep_of_ones_own_has_its_name(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine/sweeps").mkdir(parents=True)
    (tmp_path / "mine/sweeps/rates.yaml").write_text(
        "# @package _global_\nhydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n"
        "      trainer.learning_rate: 1e-3,1e-4\n"
    )
    assert main(["+sweeps=rates", "--config-dir", "mine"]) == 0
    assert "2 runs: 2 missing" in capsys.readouterr().out
    assert Path("results/tables/rates.md").exists()
    assert main(["+sweeps=rates", "--config-dir=mine", "runs=results/runs"]) == 1
    assert "exclude each other" in capsys.readouterr().err
    assert main(["+sweeps=rates", "--config-dir=mine", f"out={__file__}/x"]) == 1
    assert "cannot write in" in capsys.readouterr().err


def _python(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), **variables},
        timeout=60,
        check=False,
    )


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    program = (
        "import sys, vqx.report, vqx.reporting.single, vqx.runs.provenance, vqx.runs.lock; "
        "print(*{n.split('.')[0] for n in sys.modules} & "
        "{'torch', 'numpy', 'pandas', 'matplotlib', 'hydra', 'omegaconf'})"
    )
    done = _python("-c", program, cwd=tmp_path)
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_an_old_locale_and_a_closed_pipe_are_no_errors(runs: Path, tmp_path: Path) -> None:
    done = _python("-m", "vqx.report", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    shell = f"{sys.executable} -m vqx.report | head -1"
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True)
    assert "Traceback" not in done.stderr
    assert (tmp_path / "results/tables/ablation.md").exists()


@pytest.mark.slow
def test_a_thousand_runs_in_three_seconds(tmp_path: Path) -> None:
    """In processor time, which a busy machine does not stretch."""
    templates = [write_run(tmp_path / "templates", config_of(name)) for name in QUANTIZERS]
    for number in range(1000):
        template = templates[number % 3]
        copy = tmp_path / "runs" / f"{template.name}{number}"
        shutil.copytree(template, copy, copy_function=os.link)
        text = (template / "config.yaml").read_text().replace("seed: 0", f"seed: {number % 5}")
        rate = f"learning_rate: {1e-3 + number // 15 * 1e-5}"
        (copy / "config.yaml").unlink()
        (copy / "config.yaml").write_text(text.replace("learning_rate: 0.001", rate))
    started = time.process_time()
    shown: list[str] = []
    report([f"runs={tmp_path}/runs", f"out={tmp_path}"], show=shown.append, width=140, bold=False)
    seconds = time.process_time() - started
    assert len((tmp_path / "ablation.csv").read_text().splitlines()) == 1 + 3 * 67
    assert seconds < 3


def test_starts_in_a_second(tmp_path: Path) -> None:
    before = os.times()
    done = _python("-m", "vqx.report", "--help", cwd=tmp_path)
    after = os.times()
    assert done.returncode == 0
    assert (
        after.children_user
        + after.children_system
        - (before.children_user + before.children_system)
        < 1
    )
