"""Readers of the data benchmark show the pixels that they are measured with."""

import multiprocessing
from contextlib import closing
from itertools import islice

import numpy as np
import pytest
import torch
from PIL import Image

from vqx.benchmarks.data_images import ASPECTS, CLASSES, HELD_OUT, Case, write_stock
from vqx.benchmarks.data_measuring import BASELINE, COPY, DECODE, READERS, Setting, reading_of
from vqx.benchmarks.data_readers import _orders
from vqx.training.step import to_float

VARIED, SQUARE = Case("varied", 24, 12), Case("square", 16, 16, square=True, times=2)
SETTING = Setting(images=12, batch=5, workers=2)


@pytest.fixture(scope="module")
def stocks(tmp_path_factory):
    return {
        case: write_stock(tmp_path_factory.mktemp(case.name), case, images=12, workers=0)
        for case in (VARIED, SQUARE)
    }


def files_of(stock):
    return sorted((stock.files / "train").rglob("*.*"))


def decoded(stock):
    """All training images, (H, W, C) uint8, by nothing but Pillow."""
    return [np.asarray(Image.open(path)).astype(int) for path in files_of(stock)]


def read(name, case, stock, *, batches):
    reader = READERS[name]
    with closing(reader.opener(reading_of(reader, case, stock, SETTING))) as given:
        assert next(given) is None
        return [batch.clone() for batch in islice(given, batches)]


def nearest_window(shown, images):
    """(mean difference, image, mirrored) of the window anywhere that is most like `shown`."""
    best = (256.0, -1, False)
    size = shown.shape[0]
    for index, image in enumerate(images):
        views = np.lib.stride_tricks.sliding_window_view(image, (size, size), axis=(0, 1))
        for mirrored in (False, True):
            wanted = (shown[:, ::-1] if mirrored else shown).transpose(2, 0, 1)
            difference = np.abs(views - wanted).mean(axis=(2, 3, 4)).min()
            best = min(best, (float(difference), index, mirrored))
    return best


def as_floats(batches):
    return [to_float(b) if b.dtype == torch.uint8 else b for b in batches]


def check_windows(case, stock, batches, *, tolerance=0.0):
    """Each is a window of an image; nearly all images and both ways round appear."""
    images, found = decoded(stock), []
    for batch in batches:
        assert batch.shape == (SETTING.batch, 3, case.image_size, case.image_size)
        assert batch.dtype == torch.float32
        rows = ((batch + 1) * 127.5).round().int().permute(0, 2, 3, 1).numpy()
        found += [nearest_window(row, images) for row in rows]
    assert max(difference for difference, _, _ in found) <= tolerance
    shown = [index for _, index, _ in found]
    assert sorted(shown[: stock.images]) == list(range(stock.images))  # an epoch is a permutation
    assert shown[: stock.images] != sorted(shown[: stock.images])
    assert {mirrored for _, _, mirrored in found} == {False, True}


def centred(batch, images, size):
    """How many of `batch`, (b, 3, S, S) uint8, are the centre of an image, mirrored or not."""
    centres = set()
    for image in images:
        top, left = ((side - size) // 2 for side in image.shape[:2])
        centre = image[top : top + size, left : left + size].astype(np.uint8)
        centres |= {centre.tobytes(), np.ascontiguousarray(centre[:, ::-1]).tobytes()}
    rows = batch.permute(0, 2, 3, 1).numpy()
    return sum(np.ascontiguousarray(row).tobytes() in centres for row in rows)


OURS = [
    pytest.param(name, marks=pytest.mark.ffcv if name == "ffcv jpg" else ())
    for name, reader in READERS.items()
    if reader.ours
]


@pytest.mark.parametrize("case", [VARIED, SQUARE], ids=str)
@pytest.mark.parametrize("name", [*OURS, BASELINE])
def test_windows_are_of_the_images(name, case, stocks):
    stock = stocks[case]
    batches = read(name, case, stock, batches=-(-stock.images // SETTING.batch))
    assert (batches[0].dtype == torch.uint8) == READERS[name].ours
    check_windows(case, stock, as_floats(batches), tolerance=8 if name == "ffcv jpg" else 0)
    if READERS[name].ours and case == VARIED:
        shown = torch.cat(batches)
        assert centred(shown, decoded(stock), case.image_size) < len(shown) / 2


def _batches_of_the_peer(name, case, stock, batches):
    return [b.contiguous().numpy() for b in read(name, case, stock, batches=batches)]


@pytest.mark.slow
@pytest.mark.ffcv
def test_the_peer_shows_windows_of_the_same_images(stocks):
    stock = stocks[VARIED]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        arguments = ("ffcv.Loader raw", VARIED, stock, 12)
        given = pool.apply(_batches_of_the_peer, arguments)
    images = decoded(stock)
    found = [
        nearest_window(row, images)
        for batch in given
        for row in np.rint((batch + 1) * 127.5).astype(int).transpose(0, 2, 3, 1)
    ]
    assert max(difference for difference, _, _ in found) == 0
    # Its endless order draws with repetition: enough batches show every image.
    assert {index for _, index, _ in found} == set(range(stock.images))
    assert {mirrored for _, _, mirrored in found} == {False, True}


def test_the_bare_readers_do_the_same_work_and_no_more(stocks, monkeypatch):
    import torchvision.io

    stock, known = stocks[VARIED], []
    plain = torchvision.io.decode_image
    monkeypatch.setattr(
        torchvision.io,
        "decode_image",
        lambda text, mode: known.append(text.numpy().tobytes()) or plain(text, mode),
    )
    reading = reading_of(READERS[DECODE], VARIED, stock, Setting(batch=4, workers=0))
    with closing(READERS[DECODE].opener(reading)) as given:
        assert next(given) is None
        assert [len(batch) for batch in islice(given, 3)] == [4, 4, 4]
    assert sorted(known) == sorted(path.read_bytes() for path in files_of(stock))
    with closing(READERS[COPY].opener(reading_of(READERS[COPY], VARIED, stock, SETTING))) as given:
        assert next(given) is None
        shapes = [batch.shape for batch in islice(given, 3)]
    assert shapes == [(5, 3 * 12**2), (5, 3 * 12**2), (2, 3 * 12**2)]


def test_orders_are_endless_permutations():
    batches = list(islice(_orders(5, 4), 5))
    assert [len(batch) for batch in batches] == [4] * 5
    flat = [index for batch in batches for index in batch]
    epochs = [flat[start : start + 5] for start in range(0, 20, 5)]
    assert all(sorted(epoch) == list(range(5)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_images_are_the_same_each_time_distinct_and_varied(stocks, tmp_path):
    again = write_stock(tmp_path / "again", VARIED, images=12, workers=0)
    for case, stock in stocks.items():
        files = files_of(stock)
        assert len({path.read_bytes() for path in files}) == len(files) == stock.images
        assert stock.images == 12 * case.times
        held_out = list((stock.files / "validation").rglob("*.*"))
        assert len(held_out) == HELD_OUT
        assert {path.parent.name for path in files} == {f"class_{n}" for n in range(CLASSES)}
        sizes = {Image.open(path).size for path in [*files, *held_out]}
        assert {min(size) for size in sizes} == {case.load_size}
        assert sizes <= {
            (round(case.load_size * max(1, a)), round(case.load_size * max(1, 1 / a)))
            for a in (ASPECTS if not case.square else (1.0,))
        }
        assert case.square or len(sizes) > 2
        assert stock.stored["files"] == np.mean([path.stat().st_size for path in files])
        pixels = np.mean([3 * np.prod(Image.open(path).size) for path in files])
        assert stock.stored["raw"] == stock.stored["memmap"] == pixels
        assert 0 < stock.stored["jpg"] != pixels
    assert [p.read_bytes() for p in files_of(again)] == [
        p.read_bytes() for p in files_of(stocks[VARIED])
    ]
    usual = tmp_path / "usual.jpg"
    Image.new("RGB", (24, 24)).save(usual, quality=95, subsampling="4:2:0")
    one, other = Image.open(files_of(again)[0]), Image.open(usual)
    assert one.quantization == other.quantization
    assert [layer[1:3] for layer in one.layer] == [layer[1:3] for layer in other.layer]
