"""Where runs are looked for."""

from pathlib import Path

from vqx.runs.places import find_places, run_folders


def _run(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "config.yaml").touch()
    return path


def test_each_folder_once_sorted_with_its_real_place(tmp_path: Path) -> None:
    b, a = _run(tmp_path / "runs/b-1"), _run(tmp_path / "runs/a-1")
    other = _run(tmp_path / "elsewhere/c-1")
    for name in (".hidden", "_private"):
        _run(tmp_path / "runs" / name)
    (tmp_path / "runs/file").touch()
    (tmp_path / "runs/link").symlink_to(other)
    (tmp_path / "runs/loop").symlink_to("loop")
    (tmp_path / "all").symlink_to("runs")
    found = find_places([str(tmp_path / "all"), str(a), str(tmp_path / "else*")])
    assert [place.path.name for place in found] == ["a-1", "b-1", "link"]
    assert [(place.parent, place.name) for place in found] == [
        (str(b.parent), "a-1"),
        (str(b.parent), "b-1"),
        (str(other.parent), "c-1"),
    ]
    assert run_folders([str(tmp_path / "nowhere"), str(tmp_path / "runs/file")]) == []
