"""Pixels stay pixels, and every row stands under its own inputs."""

from dataclasses import replace
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.reporting.pictures.made_up import configs, frame_of, pictures, write_images
from tests.runs.synthetic import write_run
from vqx.reporting.frame import Frame
from vqx.reporting.pictures.images import AMPLIFIED, images_picture
from vqx.reporting.pictures.numbers import column_called
from vqx.reporting.pictures.picture import NothingToDraw, Picture
from vqx.reporting.pictures.style import look
from vqx.training.pictures import AMPLIFIED as OF_RUNS

LONG = ("ema codebook_size=1024 decay=0.8 restart=none", "m" * 60, "product_vq groups=2")
RNG = np.random.default_rng(0)


def rendered(picture: Picture) -> np.ndarray:
    file = BytesIO()
    with look():
        picture.figure.savefig(file, format="png", dpi=picture.dpi)
    return np.asarray(Image.open(file).convert("L"))


def texts(picture: Picture) -> list[str]:
    return [text.get_text() for text in picture.figure.texts]


@pytest.mark.parametrize("width", ["full", "column"])
@pytest.mark.parametrize("size", [28, 64, 200])
def test_each_pixel_is_a_whole_square_of_the_file(tmp_path: Path, width: str, size: int) -> None:
    write_images(write_run(tmp_path, configs(1)[0]), RNG, blur=1.0, size=size)
    picture = images_picture(frame_of(tmp_path).rows, width=width)
    page = rendered(picture)
    box = picture.figure.axes[0].get_position()
    height = page.shape[0]
    top, left = round((1 - box.y1) * height), round(box.x0 * page.shape[1])
    side = round(box.height * height)
    factor, rest = divmod(side, size)
    assert rest == 0
    first = page[top : top + side, left : left + side]
    np.testing.assert_array_equal(first, pictures(size)[0].repeat(factor, 0).repeat(factor, 1))


def test_input_first_then_rows_with_their_number(frame: Frame) -> None:
    psnr = column_called("psnr", frame.rows)
    picture = images_picture(frame.rows, metric=psnr, indices=(1, 4))
    run = frame.rows[0].runs[0]
    assert texts(picture)[:3] == ["input", frame.rows[0].label, f"{psnr.value(run.result):.2f} dB"]
    assert len(picture.figure.axes) == 4
    said = [note.text for note in picture.notes]
    assert said[0] == "without vq beta=64.0: no images/inputs.png (failed)"
    assert said[1].startswith("seed 0; PSNR of that run")


@pytest.mark.parametrize("width", ["full", "column"])
def test_long_labels_end_before_the_images(frame: Frame, width: str) -> None:
    rows = [replace(row, label=label) for row, label in zip(frame.rows, LONG, strict=False)]
    figure = images_picture(rows, metric=column_called("psnr", rows), width=width).figure
    figure.draw_without_rendering()
    left = min(axes.get_window_extent().x0 for axes in figure.axes)
    boxes = [text.get_window_extent() for text in figure.texts]
    assert max(box.x1 for box in boxes) <= left
    ordered = sorted(boxes, key=lambda box: -box.y0)
    assert all(a.y0 > b.y0 for a, b in pairwise(ordered))


def test_the_difference_is_amplified_as_in_a_runs_own_pictures(frame: Frame) -> None:
    assert AMPLIFIED == OF_RUNS
    picture = images_picture(frame.rows[:1], difference=True, indices=(0,))
    real, fake, shown = (axes.images[0].get_array() for axes in picture.figure.axes)
    expected = np.minimum(AMPLIFIED * np.abs(fake.astype(int) - real), 255)
    np.testing.assert_array_equal(shown, expected)
    assert f"difference x{AMPLIFIED}" in texts(picture)


def test_rows_of_other_images_stand_under_their_own(tmp_path: Path) -> None:
    for variant, config in enumerate(configs(3, seeds=(0,))):
        size = 32 if variant == 2 else 28
        write_images(write_run(tmp_path, config), RNG, blur=1.0, size=size, variant=variant > 0)
    picture = images_picture(frame_of(tmp_path).rows)
    assert texts(picture).count("input") == 3
    assert sum("under their own inputs" in note.text for note in picture.notes) == 2


def test_large_images_are_shrunk_and_it_is_said(tmp_path: Path) -> None:
    write_images(write_run(tmp_path, configs(1)[0]), RNG, blur=1.0, size=512)
    picture = images_picture(frame_of(tmp_path).rows, width="column")
    assert "images of 512 pixels are shrunk" in picture.notes[-1].text
    assert picture.figure.get_figwidth() <= 3.51


def test_nothing_is_an_error(frame: Frame) -> None:
    with pytest.raises(NothingToDraw, match=r"no images/inputs\.png"):
        images_picture(frame.rows[-1:])
