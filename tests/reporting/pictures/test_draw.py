"""All pictures at once: files, notes, repeatability, and strangers' labels."""

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from tests.reporting.pictures.made_up import frame_of
from tests.runs.synthetic import config_of, write_run
from vqx.errors import ConfigError
from vqx.reporting.frame import Frame
from vqx.reporting.pictures.draw import draw
from vqx.reporting.pictures.options import PICTURES, PictureOptions

HOSTILE = (r"$\frac{1}{0}$ $", "<script>alert(1)</script>\n& _", "_" + "x" * 3000)


def hostile(frame: Frame) -> Frame:
    rows = [replace(row, label=label) for row, label in zip(frame.rows[:3], HOSTILE, strict=True)]
    return replace(frame, rows=tuple(rows))


@pytest.mark.long
@pytest.mark.parametrize("width", ["full", "column"])
def test_every_picture_of_hostile_labels_is_harmless(
    frame: Frame, tmp_path: Path, width: str
) -> None:
    drawn = draw(hostile(frame), None, PictureOptions(width=width), out=tmp_path, name="t")
    assert tuple(drawn.files) == PICTURES
    assert len(drawn.paths) == 2 * len(PICTURES)
    for path in drawn.paths[1::2]:
        tags = {element.tag.rpartition("}")[2] for element in ET.parse(path).iter()}
        assert "script" not in tags


@pytest.mark.long
def test_all_pictures_again_have_the_same_bytes(frame: Frame, tmp_path: Path) -> None:
    first, again = (draw(frame, out=tmp_path / folder, name="t") for folder in "ab")
    for one, two in zip(first.paths, again.paths, strict=True):
        assert one.name == two.name
        assert one.read_bytes() == two.read_bytes()


def test_rows_choose_order_and_selection(frame: Frame, tmp_path: Path) -> None:
    options = PictureOptions(pictures=("curves",))
    drawn = draw(frame, frame.rows[:1], options, out=tmp_path, name="one")
    assert [path.name for path in drawn.paths] == ["one-curves.png", "one-curves.svg"]
    assert drawn.notes == ()


def test_all_says_what_older_runs_have_nothing_for(tmp_path: Path) -> None:
    for beta in (0.25, 1.0):
        write_run(tmp_path / "runs", config_of("vq", quantizer__beta=beta))
    drawn = draw(frame_of(tmp_path / "runs"), out=tmp_path, name="old")
    assert set(drawn.files) == {"pareto", "heatmap"}
    said = [name for note in drawn.notes for name in note.about.split(" ", 1)[1].split(", ")]
    assert sorted(said) == sorted({"curves", "usage", "histogram", "images", "embeddings"})
    assert all(note.text.startswith("nothing to draw") for note in drawn.notes)
    assert any(note.about.startswith("pictures ") for note in drawn.notes)


def test_a_picture_asked_for_by_name_must_be_there(tmp_path: Path) -> None:
    write_run(tmp_path / "runs", config_of("vq"))
    frame = frame_of(tmp_path / "runs")
    with pytest.raises(ConfigError, match="picture images: nothing to draw"):
        draw(frame, None, PictureOptions(pictures=("images",)), out=tmp_path, name="x")
    with pytest.raises(ConfigError, match="no column 'psmr'"):
        draw(frame, None, PictureOptions(y="psmr"), out=tmp_path, name="x")
