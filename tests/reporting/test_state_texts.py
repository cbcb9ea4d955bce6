"""Rows that are not plainly done, in words."""

from pathlib import Path

from tests.runs.synthetic import config_of, write_run
from vqx.reporting.frame import build_frame
from vqx.reporting.main_table import runs_text
from vqx.reporting.state_texts import state_texts
from vqx.runs.reading import read_runs
from vqx.runs.status import State


def texts_of(folder: Path) -> dict[str, str]:
    return dict(state_texts(build_frame(read_runs([str(folder)])[0]).rows))


def test_the_same_is_said_once_of_seeds_and_rows(tmp_path: Path) -> None:
    for name in ("ema", "fsq"):
        for seed in range(3):
            write_run(tmp_path, config_of(name, seed=seed), state=State.QUEUED)
    for seed in range(3):
        state = State.QUEUED if seed else State.DONE
        write_run(tmp_path, config_of("vq", seed=seed), state=state)
    assert texts_of(tmp_path) == {
        "ema, fsq": "seeds 0, 1, 2 missing: queued",
        "vq": "seeds 1, 2 missing: queued",
    }


def test_failures_keep_their_seed_and_folder(tmp_path: Path) -> None:
    for seed in range(2):
        config = config_of("fsq", seed=seed)
        write_run(tmp_path, config, state=State.FAILED, step=7, message="OSError: no")
    first, second = (str(p) for p in sorted(tmp_path.iterdir(), key=lambda p: "seed1" in p.name))
    text = texts_of(tmp_path)["fsq"]
    assert text == (
        f"seed 0 failed at step 7 of 800: OSError: no ({first}); "
        f"seed 1 failed at step 7 of 800: OSError: no ({second})"
    )


def test_nothing_is_said_of_what_is_done(tmp_path: Path) -> None:
    write_run(tmp_path, config_of())
    assert texts_of(tmp_path) == {}


def test_a_run_that_has_been_silent_is_stale_and_keeps_its_row(tmp_path: Path) -> None:
    write_run(tmp_path, config_of("fsq"), state=State.RUNNING, step=40, heartbeat=0.0)
    frame = build_frame(read_runs([str(tmp_path)])[0])
    assert runs_text(frame.rows[0]) == "stale"
    assert texts_of(tmp_path)["fsq"].startswith("seed 0 stale at step 40 of 800: no heartbeat for ")
