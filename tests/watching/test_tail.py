"""The last lines of a growing metrics.jsonl, against reading all of it."""

import json
import os
import random
from pathlib import Path

from vqx.watching import tail as tail_module
from vqx.watching.tail import MetricsTail


def _slow(path: Path) -> dict[str, object]:
    """The last record of each kind, line by line."""
    records = [json.loads(x) for x in path.read_text().split("\n")[:-1] if x.startswith("{")]
    return {record["kind"]: record for record in records}


def test_it_sees_what_the_whole_file_says(tmp_path: Path) -> None:
    """However the file grows, is cut, replaced, or torn in the middle of a line."""
    path = tmp_path / "metrics.jsonl"
    draws = random.Random(0)
    tail, step = MetricsTail(path), 0
    tail.update()
    assert tail.last == {}
    path.write_text("")
    for _ in range(300):
        action = draws.random()
        if action < 0.1:
            kept = path.read_text().splitlines(keepends=True)[: draws.randrange(5)]
            replacement = tmp_path / "new"
            replacement.write_text("".join(kept))
            replacement.replace(path)
        elif action < 0.2:
            os.truncate(path, len(path.read_bytes().split(b"\n")[0]))
            with path.open("a") as file:
                file.write("\n" if path.stat().st_size else "")
            tail.update()
        for _ in range(draws.randrange(4)):
            step += 1
            record = {"kind": draws.choice(["train", "evaluate"]), "step": step, "x": "é" * step}
            with path.open("a") as file:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
        if action > 0.9:
            with path.open("a") as file:
                file.write('{"kind": "train", "st')
            tail.update()
            assert tail.last == _slow(path)
            with path.open("a") as file:
                file.write('ep": -1}\n')
        tail.update()
        assert tail.last == _slow(path)


def test_a_first_look_goes_back_to_the_last_evaluation(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    evaluate = {"kind": "evaluate", "psnr": 20.0}
    train = [{"kind": "train", "step": step, "loss": 0.5} for step in range(20_000)]
    path.write_text("".join(json.dumps(record) + "\n" for record in (evaluate, *train)))
    tail = MetricsTail(path)
    tail.update()
    assert tail.last == {"evaluate": evaluate, "train": train[-1]}


def test_later_looks_read_only_what_is_new(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps({"kind": "train", "x": "y" * 100_000}) + "\n")
    tail = MetricsTail(path)
    tail.update()
    sizes: list[int] = []
    read = tail_module.os.pread
    monkeypatch.setattr(
        tail_module.os, "pread", lambda fd, n, at: sizes.append(n) or read(fd, n, at)
    )
    with path.open("a") as file:
        file.write(line := json.dumps({"kind": "evaluate"}) + "\n")
    tail.update()
    tail.update()
    assert sizes == [len(line)]
