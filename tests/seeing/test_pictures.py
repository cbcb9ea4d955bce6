"""Panels, code maps and the contact sheet show the pixels and codes that they say."""

import numpy as np
import pytest
import torch
from PIL import Image

from vqx.quantizers import FSQ, VQ, Residual
from vqx.seeing.code_maps import SeenLatents, by_code, by_entry, code_map
from vqx.seeing.lettering import fitted, font, shortened
from vqx.seeing.panels import Thumbnail, contact_sheet, panel, psnr
from vqx.training.pictures import AMPLIFIED


def flat(value, size, channels=3):
    return torch.full((1, channels, *size), value, dtype=torch.uint8)


def shows(picture, values):
    """How many pixels of `picture` are each of the grey `values`; letters hold some of each."""
    pixels = np.asarray(picture)
    return [round(int((pixels == value).all(axis=2).sum()), -2) for value in values]


def test_a_panel_is_at_full_size_with_the_difference_amplified():
    picture = panel(flat(200, (300, 400)), flat(140, (300, 400)), name="a", decibels=1)
    assert shows(picture, [200, 140, 60 * AMPLIFIED]) == [300 * 400] * 3
    assert picture.width > 1200
    assert picture.height < 400


def test_small_and_grey_images_are_enlarged_by_whole_factors():
    picture = panel(flat(200, (40, 20), 1), flat(140, (40, 20), 1), name="a", decibels=1)
    assert shows(picture, [200, 140]) == [40 * 20 * 25] * 2


def test_panoramas_stand_below_each_other():
    picture = panel(flat(9, (100, 400)), flat(7, (100, 400)), name="a", decibels=1)
    assert picture.height > 300
    assert picture.width < 500


def test_psnr():
    assert psnr(flat(100, (4, 4)), flat(110, (4, 4))) == pytest.approx(28.1308, abs=1e-3)
    one_off = flat(100, (4, 4))
    one_off[0, 0, 0, 0] += 1
    assert psnr(flat(100, (4, 4)), flat(100, (4, 4))) == psnr(flat(100, (4, 4)), one_off)
    assert psnr(flat(0, (2, 2)), flat(255, (2, 2))) == pytest.approx(0)


def test_a_contact_sheet_holds_every_image():
    tile = Image.new("RGB", (240, 100), (1, 2, 3))
    shown = [Thumbnail(f"{i}", "facts", (tile,) * 3) for i in range(7)]
    sheet = np.asarray(contact_sheet(shown, title="seven"))
    assert int((sheet == [1, 2, 3]).all(axis=2).sum()) == 7 * 3 * 240 * 100


def test_text_is_cut_in_its_middle():
    text = shortened("start " + "x" * 500 + " end", width=200, size=14)
    assert text.startswith("sta")
    assert text.endswith("end")
    assert font(14).getlength(text) <= 200
    assert fitted(Image.new("RGB", (30, 40)), 100).size == (60, 80)
    assert fitted(Image.new("RGB", (300, 150)), 100).size == (100, 50)


def test_a_colour_a_code():
    codes = torch.arange(400).view(20, 20)
    colours = np.asarray(by_code(codes)).reshape(400, 3)
    assert len(np.unique(colours, axis=0)) > 390
    steps = np.abs(colours[1:].astype(int) - colours[:-1]).max(axis=1)
    assert steps.min() > 30  # neighbouring codes are told apart
    assert (np.asarray(by_code(codes[:2])) == np.asarray(by_code(codes))[:2]).all()


def test_near_entries_have_near_colours_and_bright_places_are_light():
    quantizer = FSQ([9, 3])  # codes 0..8 differ along the first channel
    codes = torch.arange(9).repeat(9, 1)
    for picture in (
        np.tile(np.linspace(0, 255, 9), (9, 1)),
        np.tile(np.linspace(255, 0, 9), (9, 1)),
    ):
        seen = SeenLatents(2)
        seen.add(quantizer, codes, Image.fromarray(picture.astype(np.uint8)))
        colours = np.asarray(by_entry(quantizer, codes, seen.palette()).convert("L")).astype(int)
        steps = np.diff(colours[0]) * (1 if picture[0, -1] else -1)
        assert (steps > 0).all()
        assert steps.max() < 60


def test_a_code_map_shows_every_codebook():
    quantizer = Residual(VQ(16, 4, init="normal"), 3)
    codes = torch.randint(16, (5, 7, 3))
    picture = Image.new("RGB", (28, 20), (9, 9, 9))
    seen = SeenLatents(4)
    seen.add(quantizer, codes, picture)
    drawn = code_map(
        quantizer, codes, palette=seen.palette(), picture=picture, share=(1, 1), name="a"
    )
    factor = 512 // 7
    assert drawn.width > 3 * 7 * factor
    assert drawn.height > 2 * 5 * factor  # two rows: input, entries, three codebooks
    one = np.asarray(
        by_code(codes[..., 2]).resize((7 * factor, 5 * factor), Image.Resampling.NEAREST)
    )
    assert holds(np.asarray(drawn), one)


def holds(picture, part):
    """Whether `part` is somewhere in `picture`, pixel for pixel."""
    height, width = part.shape[:2]
    places = np.argwhere((picture == part[0, 0]).all(axis=2))
    return any(
        np.array_equal(picture[top : top + height, left : left + width], part)
        for top, left in places
    )
