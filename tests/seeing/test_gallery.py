"""A user's images through `vqx.evaluate`: every file it promises, the table, and what is broken."""

import csv
import math

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.data import astronaut

from vqx.errors import ConfigError, DataError
from vqx.export import export
from vqx.seeing.command import show_images
from vqx.seeing.options import Options
from vqx.seeing.own_images import find_images, read_image


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of four images, one of them broken."""
    folder = tmp_path_factory.mktemp("pictures")
    photo = Image.fromarray(astronaut())
    photo.resize((61, 75)).save(folder / "small.png")
    photo.crop((0, 0, 300, 220)).convert("L").save(folder / "large.jpg")
    photo.crop((0, 0, 9, 9)).save(folder / "tiny.bmp")
    (folder / "broken.png").write_bytes(b"no image")
    return folder


def read(*texts):
    return Options.read(texts)[0]


def test_everything_of_a_folder(run_folder, tokenizer, pictures, tmp_path, capsys):
    options = read(f"images={pictures}", f"out={tmp_path / 'out'}", "codes=true", "tile=160")
    assert show_images(run_folder, options, ["trainer.device=cpu"]) == 1
    printed = capsys.readouterr()
    assert f"left out: {pictures / 'broken.png'}: cannot identify" in printed.err
    assert "1 of 4 images left out" in printed.err
    out = tmp_path / "out"
    names = {"small", "large", "tiny"}
    assert {path.name for path in out.iterdir()} == {
        *("panels", "code_maps", "codes"),
        *("contact_sheet.png", "embeddings.png", "images.csv"),
    }
    for folder, suffix in (("panels", "png"), ("code_maps", "png"), ("codes", "npz")):
        assert {path.name for path in (out / folder).iterdir()} == {f"{n}.{suffix}" for n in names}
    rows = {row["file"]: row for row in csv.DictReader((out / "images.csv").open())}
    assert rows.keys() == {"small.png", "large.jpg", "tiny.bmp"}
    assert rows["small.png"]["codes"] == "16x19"
    bits = 16 * 19 * math.log2(1000) / (61 * 75)
    assert float(rows["small.png"]["bits/pixel"]) == pytest.approx(bits, abs=1e-3)
    assert (rows["small.png"]["tiles"], int(rows["large.jpg"]["tiles"]) > 1) == ("1", True)
    assert "mean" in printed.out
    _check_saved_codes(out, tokenizer, pictures / "small.png", float(rows["small.png"]["PSNR dB"]))


def _check_saved_codes(out, tokenizer, path, decibels):
    """Codes and size are what `detokenize` wants, and give the image that was measured."""
    with np.load(out / "codes" / f"{path.stem}.npz") as kept:
        codes, size = torch.from_numpy(kept["codes"].astype(np.int64))[None], kept["size"]
    real = read_image(path, channels=3)
    assert torch.equal(codes, tokenizer.tokenize(real))
    back = tokenizer.detokenize(codes, size=tuple(size))
    error = float((real.double() - back).square().mean())
    assert 10 * math.log10(255**2 / error) == pytest.approx(decibels, abs=0.01)


def test_an_exported_folder_serves_as_well_and_stays_as_it_is(run_folder, pictures, tmp_path):
    place = export(run_folder, tmp_path / "exported")
    options = read(f"images={pictures / 'tiny.bmp'}")
    assert show_images(place, options, []) == 0
    assert len(list(place.iterdir())) == 2
    assert (tmp_path / "exported-pictures" / "panels" / "tiny.png").exists()
    assert not (tmp_path / "exported-pictures" / "codes").exists()


def test_nothing_but_broken_images_is_an_error(run_folder, pictures, tmp_path):
    options = read(f"images={pictures / 'broken.png'}", f"out={tmp_path}")
    with pytest.raises(DataError, match=r"none of the 1 images .*broken\.png"):
        show_images(run_folder, options, [])
    assert list(tmp_path.iterdir()) == []


def test_overrides_that_mean_nothing_are_refused(run_folder, pictures):
    with pytest.raises(ConfigError, match=r"'data' means nothing"):
        show_images(run_folder, read(f"images={pictures}"), ["data=cifar10"])


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["codes=true"], "codes=true needs images"),
        (["tile=512"], "tile=512 needs images"),
        (["out=x"], "out=x needs images"),
        (["images=x", "codes=yes"], "true or false"),
        (["images=x", "tile=big"], "number of pixels"),
        (["images="], "no value"),
    ],
)
def test_wrong_options_are_named(texts, words):
    with pytest.raises(ConfigError, match=words):
        Options.read(texts)


def test_options_and_overrides_are_told_apart():
    options, rest = Options.read(["plots=true", "data=cifar10", "allow=mine,yours", "out=~/x"])
    assert rest == ["data=cifar10"]
    assert (options.plots, options.allow) == (True, ("mine", "yours"))
    assert not str(options.out).startswith("~")


def test_the_pictures_of_many_images_are_in_order(pictures):
    assert [i.label for i in find_images(str(pictures))] == sorted(
        ["broken.png", "large.jpg", "small.png", "tiny.bmp"]
    )
