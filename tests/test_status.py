"""`python -m vqx.status` as a user meets it, on a terminal and piped."""

import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from fcntl import ioctl
from pathlib import Path

import pytest

from tests.commands import command, environment
from tests.runs.synthetic import QUANTIZERS, config_of, write_run
from tests.watching.sweep_of_every_state import write_sweep
from vqx.runs.folder import RunFolder
from vqx.runs.status import State, Status
from vqx.status import main
from vqx.watching.picture import Picture
from vqx.watching.watcher import Place, Watcher


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight runs in the default place of an otherwise empty working folder; no Slurm."""
    folder = tmp_path / "results" / "runs"
    write_sweep(folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VQX_RESULTS", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    return folder


def test_the_table(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(
        "8 runs: 1 running, 2 queued, 1 failed, 2 interrupted, 1 diverged, 1 done · 37 % of 6,400 "
        "steps · 390 images/s · "
    )
    header = re.split(r"\s{2,}", lines[2])
    assert header[0] == "quantizer"
    assert header[1:] == [
        *("state", "step", "ETA", "images/s", "loss", "PSNR dB", "usage %", "restarts", "job"),
        *("node", "note"),
    ]
    assert re.split(r"\s{2,}", lines[4]) == [
        *("fsq seed=0", "running", "300 / 800", "2 min 5 s", "390", "0.0123", "23.46", "50.0", "2"),
        *("12_0", "n1"),
    ]
    failed = next(line for line in lines if "failed" in line and "memory" in line)
    place = f"results/runs/{next(runs.glob('*seed4*')).name}"
    assert failed.endswith(f"RuntimeError: out of memory (see {place})")
    assert "\033" not in "".join(lines)


def test_selections(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(runs, config_of("vq"))
    for words, count in (
        (["seed=0"], 2),
        (["quantizer=vq"], 1),
        ([f"runs={runs}/fsq-*"], 8),
        ([str(path) for path in runs.glob("*seed[01]-*")], 3),
    ):
        assert main(words) == 0
        assert capsys.readouterr().out.startswith(f"{count} run")
    assert main(["metrics=[lpips]", "seed=7"]) == 0
    assert "LPIPS" in capsys.readouterr().out


def test_a_sweep_with_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    from vqx.sweeps.view import sweep_jobs

    jobs = sweep_jobs(["quantizer=fsq,vq", "seed=1,0"])
    write_run(tmp_path / "results/runs", dict(jobs[2].config or {}))
    (tmp_path / "results/runs").rename(tmp_path / "elsewhere")
    write_run(tmp_path / "results/runs", config_of())  # of no sweep
    shutil.copytree(
        next((tmp_path / "elsewhere").iterdir()),
        tmp_path / "results/runs" / jobs[2].folder.path.name,  # type: ignore[union-attr]
    )
    assert main(["-m", "quantizer=fsq,vq", "seed=1,0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "4 runs: 3 missing, 1 done" in lines[0]
    assert [" ".join(line.split()[:3]) for line in lines[4:]] == [
        *("fsq seed=1 missing", "fsq seed=0 missing", "vq seed=1 done", "vq seed=0 missing"),
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["quantiser=fsq"], "'quantiser' is neither an option nor a key .*mean 'quantizer'"),
        (["watch=soon"], "watch=soon: must be seconds"),
        (["--watch=0"], "--watch=0: must be seconds"),
        (["--wacth"], "unknown option '--wacth'"),
        (["metrics=[pnsr]"], "no metric 'pnsr'.*did you mean 'psnr'"),
        (["runs=nowhere"], "no runs in nowhere: make one"),
        (["nowhere"], "'nowhere' is neither KEY=VALUE nor a run folder"),
        (["+sweeps=nosuch"], r"there is no \+?sweeps=nosuch"),
        (["+sweeps=swasun", "quantiser=fsq"], "quantiser"),
        (["+sweeps=swasun", "runs=x"], "runs= and a sweep exclude each other"),
        (["sweeps=swasun"], r"'sweeps=swasun': a sweep is named as \+sweeps=swasun"),
        (["-m", "seed=["], r"cannot read 'seed=\['"),
        (["+sweeps=swasun", "--config-dir"], "--config-dir: name the folder"),
    ],
)
def test_mistakes_are_one_line(
    runs: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(words) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert re.search(message, captured.err), captured.err


def test_help_fits_a_screen(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) < 24
    assert max(map(len, lines)) <= 100


class _Terminal:
    """A command on a terminal of its own."""

    def __init__(self, *words: str, cwd: Path, size: tuple[int, int], **extra: str) -> None:
        self.screen, inner = pty.openpty()
        self.resize(*size)
        variables = {k: v for k, v in environment(**extra).items() if k not in ("COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            command("vqx.status", *words),
            cwd=cwd,
            env={"PYTHONPATH": str(Path(__file__).parent.parent), **variables},
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
        )
        os.close(inner)
        self.text = ""

    def resize(self, columns: int, lines: int) -> None:
        ioctl(self.screen, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read_until(self, enough: Callable[[str], bool]) -> str:
        deadline = time.monotonic() + 60
        while not enough(self.text) and time.monotonic() < deadline:
            if select.select([self.screen], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self.screen, 65536).decode()
                except OSError:  # the other end is closed
                    break
        assert enough(self.text), self.text
        return self.text

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        self.read_until(lambda text: "\033[?1049l" in text)
        return self.process.wait(30)


def test_a_terminal_is_redrawn_in_place_and_left_clean(runs: Path, tmp_path: Path) -> None:
    terminal = _Terminal("watch=0.3", cwd=tmp_path, size=(100, 8))
    first = terminal.read_until(lambda text: text.count("\033[H") >= 1 and "\033[J" in text)
    assert first.startswith("\033[?1049h\033[?25l\033[H")
    assert "\033[36mrunning" in first
    assert "\033[2J" not in first  # nothing is cleared before it is written: no flicker
    drawn = re.sub(r"\033\[[\d;?]*\w", "", first).splitlines()
    assert len(drawn) <= 8
    assert max(map(len, drawn)) <= 100
    assert re.match(r"… and .*1 done", drawn[-1])
    (path,) = runs.glob("*seed0*")
    RunFolder(path).write_status(Status(state=State.RUNNING, host="n1", step=777, steps=800))
    terminal.read_until(lambda text: "777 / 800" in text)
    terminal.resize(60, 7)
    terminal.read_until(lambda text: "ETA" not in text.split("\033[H")[-1].split("\033[J")[0])
    assert terminal.end(signal.SIGINT) == 0
    after = terminal.text.split("\033[?25h\033[?1049l")
    assert len(after) == 2


def test_a_killed_watch_gives_the_terminal_back(runs: Path, tmp_path: Path) -> None:
    terminal = _Terminal("--watch", cwd=tmp_path, size=(100, 30), NO_COLOR="1")
    text = terminal.read_until(lambda text: "\033[J" in text)
    assert "\033[36m" not in text
    assert "\033[1m" not in text
    assert terminal.end(signal.SIGTERM) == 128 + signal.SIGTERM
    assert terminal.text.rstrip().endswith("\033[?25h\033[?1049l")


def test_piped_it_prints_a_block_a_change(runs: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("vqx.status", "watch=0.1"),
        cwd=tmp_path,
        env=environment(PYTHONPATH=str(Path(__file__).parent.parent)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    printed = []
    while not printed or printed[-1].strip():  # a block ends with an empty line, as does its head
        printed.append(process.stdout.readline())
    time.sleep(1)
    (path,) = runs.glob("*seed1-*")
    RunFolder(path).write_status(Status(state=State.FAILED, message="no memory"))
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    text = "".join(printed) + rest
    assert text.count("== ") == 2
    assert text.count("no memory") == 1
    assert "\033" not in text


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    program = (
        "import sys, vqx.status; print(*{n.split('.')[0] for n in sys.modules} & "
        "{'torch', 'numpy', 'pandas', 'matplotlib', 'hydra', 'omegaconf', 'submitit'})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.stdout.strip(), done.stderr) == ("", "")


@pytest.mark.slow
def test_a_thousand_runs_are_redrawn_in_a_second(tmp_path: Path) -> None:
    """In processor time; a hundred of them run, each with a heartbeat since the last look."""
    templates = [write_run(tmp_path / "templates", config_of(name)) for name in QUANTIZERS]
    places = []
    for number in range(1000):
        template = templates[number % 3]
        copy = tmp_path / "runs" / f"{template.name}{number}"
        shutil.copytree(template, copy, copy_function=os.link)
        text = (template / "config.yaml").read_text().replace("seed: 0", f"seed: {number}")
        (copy / "config.yaml").unlink()
        (copy / "config.yaml").write_text(text)
        if number < 100:
            (copy / "result.json").unlink()
            (copy / "status.json").unlink()
        places.append(Place(copy))
    picture = Picture(Watcher(lambda: places), ("psnr", "usage"), in_order=False)
    for step in range(2):
        for place in places[:100]:
            status = Status(state=State.RUNNING, host="elsewhere", step=step, steps=800)
            RunFolder(place.path).write_status(status)  # type: ignore[arg-type]
        started = time.process_time()
        lines = picture.draw(picture.look(), width=None, height=None, coloured=False)
        seconds = time.process_time() - started
        assert len(lines) == 1004
    assert seconds < 1
