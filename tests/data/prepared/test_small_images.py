"""Small images are gathered at once, with the pixels that reading them one by one gives."""

import numpy as np
import pytest

from tests.data.files import write_image
from tests.data.loaders import evaluated, prepared, steps
from vqx.data import folder

SIDE = 8


def tree(place, *, channels, broken):
    root = place / "images"
    for split, count in (("train", 9), ("validation", 5)):
        for i in range(count):
            path = root / split / f"{i}.png"
            write_image(path, height=SIDE, width=SIDE, channels=channels, seed=i)
        if broken:
            (root / split / "2.png").write_bytes(b"no image")
    return root


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("image_size", [SIDE, SIDE - 1])
def test_every_way_to_read_shows_the_same(image_size, channels, broken, tmp_path):
    root = tree(tmp_path, channels=channels, broken=broken)
    roots = {"folder": root}
    for loader, format in (("ffcv", "ffcv"), ("memmap", "memmap")):
        options = {"load": SIDE, "format": format, "channels": channels}
        roots[loader] = prepared(root, tmp_path / loader, **options)
    shown = {}
    for loader, place in roots.items():
        options = {"image_size": image_size, "load_size": SIDE, "channels": channels}
        data = folder(root=place, loader=loader, broken="skip", workers=0, **options)
        shown[loader] = [*steps(data, 6), *evaluated(data)]
        if loader != "folder":
            small = image_size == SIDE and not broken
            assert (data.train.reader._small is not None) == small
    for loader in ("ffcv", "memmap"):
        for one, other in zip(shown["folder"], shown[loader], strict=True):
            assert np.array_equal(one, other)
