"""Files of vqx as FFCV itself reads them, where it is installed."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tests.data.files import write_image
from tests.data.prepared.preparing import pixels_of, prepare, write_source
from vqx.data.prepared.beton import PAGE_SIZE, RAW
from vqx.data.prepared.encoding import drawn
from vqx.data.prepared.manifest import Storage
from vqx.data.recipe import Recipe

pytestmark = [
    pytest.mark.slow,  # FFCV compiles its reading for some ten seconds
    pytest.mark.ffcv,
]
SIDE = 64
# In a process of its own: importing ffcv sets torch to one thread for good.
READING = """
import sys
import numpy as np
from ffcv.fields.rgb_image import CenterCropRGBImageDecoder
from ffcv.loader import Loader, OrderOption
from ffcv.reader import Reader

path, side, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
reader = Reader(path)
assert reader.field_names == ["image"]
pipelines = {"image": [CenterCropRGBImageDecoder((side, side), 1.0)]}
loader = Loader(
    path, batch_size=3, num_workers=1, order=OrderOption.SEQUENTIAL, os_cache=False,
    pipelines=pipelines, drop_last=False,
)
windows = np.concatenate([np.array(batch) for (batch,) in loader])
np.savez(out, windows=windows, modes=reader.metadata["f0"]["mode"], page=reader.page_size)
"""


def centre(pixels: np.ndarray) -> np.ndarray:
    """The window (SIDE, SIDE, C) in the middle of (H, W, C)."""
    top, left = ((side - SIDE) // 2 for side in pixels.shape[:2])
    return pixels[top : top + SIDE, left : left + SIDE]


def test_ffcv_reads_raw_bit_for_bit_and_jpg_as_it_is_meant(tmp_path):
    source = write_source(tmp_path / "source")
    recipe = Recipe(3, SIDE)
    # The last of them is so long that its pixels take a page larger than usual, and raw.
    last = next(index for index in range(9, 99) if drawn(index) >= 0.5)
    for index in range(9, last + 1):
        write_image(source / f"train/{index:02}.png", height=SIDE, width=SIDE, seed=index)
    write_image(source / f"train/{last:02}.png", height=SIDE, width=PAGE_SIZE // SIDE // 3 + 1)
    prepare(source, tmp_path / "out", recipe=recipe, storage=Storage(mode="proportion"))
    beton, read = tmp_path / "out/train.beton", tmp_path / "read.npz"
    subprocess.run(
        [sys.executable, "-c", READING, str(beton), str(SIDE), str(read)],
        env={**os.environ, "NUMBA_THREADING_LAYER": "omp"},
        check=True,
        capture_output=True,
        timeout=300,
    )
    with np.load(read) as arrays:
        windows, raw, page = arrays["windows"], arrays["modes"] == RAW, arrays["page"]
    wanted = np.stack([centre(pixels) for pixels in pixels_of(source, "train", recipe)])
    assert windows.shape == wanted.shape
    assert 0 < raw.sum() < len(raw)
    assert page == 2 * PAGE_SIZE
    assert np.array_equal(windows[raw], wanted[raw])
    smooth = np.flatnonzero(~raw)
    smooth = smooth[smooth < 7]  # enlarged; the others are noise, of which JPEG keeps little
    difference = np.abs(windows[smooth].astype(int) - wanted[smooth])
    assert 0 < difference.mean() < 4
