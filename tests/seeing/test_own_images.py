"""Files of any mode are found, named apart, and read as the model takes them."""

import numpy as np
import pytest
import torch
from PIL import Image

from vqx.errors import ConfigError, DataError
from vqx.seeing.own_images import find_images, read_image

RED = np.full((5, 7, 3), (204, 51, 0), dtype=np.uint8)


def written(path, pixels=RED, mode=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image if mode is None else image.convert(mode)).save(path)
    return path


def test_folders_files_patterns_and_commas(tmp_path):
    names = ["b.PNG", "sub/a.jpg", "c.webp", "d.bmp", "e.jpeg"]
    files = [written(tmp_path / "in" / name) for name in names]
    (tmp_path / "in" / "notes.txt").write_text("no image")
    written(tmp_path / "in" / ".hidden" / "x.png")
    other = written(tmp_path / "one, two.png")
    found = find_images(str(tmp_path / "in"))
    assert {image.path for image in found} == set(files)
    assert "sub/a.jpg" in [image.label for image in found]
    assert find_images(str(other))[0].path == other  # a comma in a name is no list
    pattern = find_images(f"{tmp_path}/in/*.webp,{files[0]}")
    assert [image.label for image in pattern] == ["c.webp", "b.PNG"]


def test_no_two_images_share_a_name(tmp_path):
    for name in ("x/a.png", "x/a.jpg", "x/A.bmp", "y/a.png", "x/b__c.png", "x/b/c.png", "y/A.png"):
        written(tmp_path / name)
    found = find_images(f"{tmp_path / 'x'},{tmp_path / 'y'}")
    names = [image.name.casefold() for image in found]
    assert len(set(names)) == 7


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK"])
def test_colours_of_every_mode(tmp_path, mode):
    suffix = "jpg" if mode == "CMYK" else "png"
    image = read_image(written(tmp_path / f"a.{suffix}", mode=mode), channels=3)
    assert (image.shape, image.dtype) == ((1, 3, 5, 7), torch.uint8)
    wanted = torch.tensor([204, 51, 0])[None, :, None, None]
    assert (image.int() - wanted).abs().max() <= (40 if mode == "CMYK" else 0)


def test_grey_for_colour_models_and_colour_for_grey_ones(tmp_path):
    grey = written(tmp_path / "g.png", np.full((4, 4), 77, dtype=np.uint8))
    assert (read_image(grey, channels=3) == 77).all()
    assert read_image(written(tmp_path / "c.png"), channels=1).shape == (1, 1, 5, 7)
    clear = np.zeros((2, 2, 4), dtype=np.uint8)
    assert (read_image(written(tmp_path / "t.png", clear), channels=3) == 255).all()


def test_what_cannot_be_read_is_named(tmp_path):
    cut = tmp_path / "cut.png"
    whole = written(tmp_path / "whole.png")
    cut.write_bytes(whole.read_bytes()[:50])
    for content in (cut.read_bytes(), b"", b"hello"):
        cut.write_bytes(content)
        with pytest.raises(DataError, match=r"cut\.png: "):
            read_image(cut, channels=3)
    with pytest.raises(ConfigError, match="takes 4"):
        read_image(whole, channels=4)
    with pytest.raises(DataError, match="no such file"):
        find_images(str(tmp_path / "absent.png"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no images"):
        find_images(str(tmp_path / "empty"))
