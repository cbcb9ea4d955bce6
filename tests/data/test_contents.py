"""What a data set says that it is: the same through every loader, another when it changed."""

import pytest

from tests.data.files import write_image
from tests.data.loaders import LOAD, SIZE, every_loader, prepared, through
from vqx.data import folder


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("contents")
    every_loader(place)
    return place


def said(data, split):
    chosen = getattr(data, split)
    return chosen.fingerprint, chosen.contents


@pytest.mark.parametrize("split", ["train", "evaluation"])
def test_loaders_agree_on_what_they_read(split, place):
    found = {name: said(data, split) for name, data in every_loader(place).items()}
    assert len({fingerprint for fingerprint, _ in found.values()}) == 1
    merged = {key: text for _, contents in found.values() for key, text in contents.items()}
    assert merged.keys() == {"number", "protocol", "names", "files"}
    for _, contents in found.values():
        assert contents.keys() >= {"number", "protocol", "names"}
        assert contents.items() <= merged.items()


@pytest.mark.ffcv
def test_jpeg_is_something_else(place):
    prepared(place / "images", place / "jpg", mode="jpg", evaluation_mode="jpg")
    raw = through("ffcv", place)
    jpg = folder(root=place / "jpg", image_size=SIZE, broken="skip", workers=0)
    assert jpg.train.fingerprint != raw.train.fingerprint
    differing = {key for key, text in jpg.train.contents.items() if raw.train.contents[key] != text}
    assert differing == {"protocol"}


@pytest.mark.parametrize(
    ("change", "differing"),
    [
        (lambda root: (root / "train/00.png").rename(root / "train/00a.png"), {"names"}),
        (lambda root: write_image(root / "train/99.png", height=9, width=9), {"number", "names"}),
        (lambda root: write_image(root / "train/00.png", height=9, width=9, seed=9), {"files"}),
    ],
)
def test_what_is_prepared_again_of_other_images_says_so(change, differing, tmp_path):
    root = tmp_path / "images"
    for split, count in (("train", 3), ("validation", 1)):
        for i in range(count):
            write_image(root / split / f"{i:02}.png", height=9, width=9, seed=i)

    def contents(out):
        prepared(root, out, load=LOAD)
        return folder(root=out, image_size=SIZE, workers=0).train.contents

    before = contents(tmp_path / "before")
    change(root)
    after = contents(tmp_path / "after")
    found = {key for key in before if before[key] != after[key]}
    assert found - {"files"} == differing - {"files"}
    assert "files" in found
