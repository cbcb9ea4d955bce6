"""Files of pictures: both kinds, whole, the same bytes every time."""

from pathlib import Path

import pytest
from PIL import Image

from vqx.errors import VqxError
from vqx.reporting.frame import Frame
from vqx.reporting.pictures.picture import (
    Omission,
    Picture,
    nothing,
    omission_notes,
    run_omissions,
    save,
)
from vqx.reporting.pictures.style import look, new_figure


def picture(text: str = "a title") -> Picture:
    with look():
        figure = new_figure("column", height=2)
        axes = figure.subplots()
        axes.fill_between([0, 1], [0, 1], [1, 2], hatch="//")
        axes.plot([0, 1], [2, 3], marker="o")
        axes.set_title(text)
    return Picture(figure)


def test_png_and_svg_without_date_or_version(tmp_path: Path) -> None:
    paths, notes = save(picture(), tmp_path / "deep" / "out", "t-x")
    assert [path.name for path in paths] == ["t-x.png", "t-x.svg"]
    assert notes == []
    with Image.open(paths[0]) as image:
        assert image.width == 1050
        assert set(image.info) <= {"dpi"}
    text = paths[1].read_text()
    assert "Matplotlib" not in text
    assert "dc:date" not in text
    assert ">a title</text>" in text


def test_the_same_picture_has_the_same_bytes(tmp_path: Path) -> None:
    for folder in "ab":
        save(picture(), tmp_path / folder, "t")
    for kind in ("png", "svg"):
        first, again = ((tmp_path / folder / f"t.{kind}").read_bytes() for folder in "ab")
        assert first == again


def test_letters_without_a_shape_are_said(tmp_path: Path) -> None:
    paths, notes = save(picture("量子化"), tmp_path, "t")
    assert "boxes in the PNG" in notes[0].text
    assert "量子化" in paths[1].read_text()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(VqxError, match="give out="):
        save(picture(), tmp_path / "file", "t")


def test_runs_are_named_by_seeds_and_rows_as_a_whole(frame: Frame) -> None:
    row = frame.rows[0]
    first, second = row.runs
    assert run_omissions(row, [(second, "a")]) == [Omission(f"{row.label} seed 1", "a")]
    assert run_omissions(row, [(first, "a"), (second, "a")]) == [Omission(row.label, "a")]
    both = run_omissions(row, [(first, "a"), (second, "b")])
    assert [o.label for o in both] == [f"{row.label} seed 0", f"{row.label} seed 1"]


def test_omissions_are_gathered_by_reason() -> None:
    notes = omission_notes("x", [Omission("a", "p"), Omission("b", "q"), Omission("c", "p")])
    assert [note.text for note in notes] == ["without a; c: p", "without b: q"]
    assert "a: p; b: q" in str(nothing("x", [Omission("a", "p"), Omission("b", "q")]))
    assert "no rows" in str(nothing("x", []))
