"""One folder of images through every loader."""

from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from tests.data.files import noise, write_image
from vqx.data import Data, evaluation_batches, folder, train_batches
from vqx.data.layouts import find_sources
from vqx.data.prepared.manifest import Storage
from vqx.data.prepared.preparation import prepare_images
from vqx.data.recipe import Recipe

SIZE, LOAD = 6, 8
LOADERS = ("folder", "memory", "memmap", "ffcv", "memory of ffcv")
RAGGED = [(9, 12), (12, 9), (8, 8), (8, 21), (30, 10), (11, 10), (16, 16)]


def write_tree(root: Path, *, broken: bool = True) -> Path:
    """Ragged sizes, grey among colours, an EXIF turn; with `broken` unreadable files as well."""
    for split, count in (("train", 13), ("validation", 7)):
        for i in range(count):
            height, width = RAGGED[i % len(RAGGED)]
            path = root / split / f"{i:02}.png"
            write_image(path, height=height, width=width, channels=1 if i == 4 else 3, seed=i)
        turned = Image.Exif()
        turned[0x0112] = 6
        image = Image.fromarray(noise(10, 14, seed=50))
        image.save(root / split / "turned.jpg", quality=95, exif=turned)
        for name in ("03.png", "08.png", "09.png", "turned.png") if broken else ():
            (root / split / name).write_bytes(b"no image")
    return root


def prepared(
    root: Path, out: Path, *, load: int = LOAD, channels: int = 3, broken: str = "skip", **storage
) -> Path:
    """`root` prepared in `out`."""
    recipe, how = Recipe(channels, load, "bicubic"), Storage(**storage)
    prepare_images(
        find_sources(None, root),
        out,
        recipe=recipe,
        storage=how,
        broken=broken,
        workers=0,
        show_progress=False,
    )
    return out


def every_loader(place: Path, **options) -> dict[str, Data]:
    """The tree in `place` through each of LOADERS."""
    root = place / "images"
    if not root.exists():
        write_tree(root)
        prepared(root, place / "betons")
    return {name: through(name, place, **options) for name in LOADERS}


def through(name: str, place: Path, **options) -> Data:
    """The tree that `every_loader` has made in `place` through one loader."""
    loader = name.split()[0]
    root = place / ("betons" if "ffcv" in name else "images")
    keywords = {"image_size": SIZE, "load_size": LOAD, "broken": "skip", "workers": 0}
    return folder(root=root, loader=loader, cache_dir=place / "cache", **(keywords | options))


def steps(data: Data, count: int, **options) -> list[np.ndarray]:
    """Global batches of `count` steps."""
    with closing(train_batches(data, **{"batch_size": 5, "seed": 3, **options})) as batches:
        return [np.concatenate([part.numpy() for part in step]) for step in islice(batches, count)]


def evaluated(data: Data, **options) -> list[np.ndarray]:
    """All batches of the evaluation set."""
    return [batch.numpy() for batch in evaluation_batches(data, **{"batch_size": 3, **options})]
