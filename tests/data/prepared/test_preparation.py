"""What is stored of a data set, byte for byte, and what the manifest says of it."""

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.data.prepared.preparing import RECIPE, contents, pixels_of, prepare, write_source
from vqx.data.layouts import find_sources
from vqx.data.prepared import beton_writer
from vqx.data.prepared.beton import ALLOCATION, FIELD, HEADER, JPG, METADATA, PAGE_SIZE, RAW
from vqx.data.prepared.beton_writer import BetonWriter, page_size
from vqx.data.prepared.encoding import drawn
from vqx.data.prepared.manifest import MANIFEST, Storage, read_manifest
from vqx.data.prepared.memmap import INDEX
from vqx.data.recipe import Recipe
from vqx.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_source(tmp_path_factory.mktemp("source"))


def samples(path) -> Iterator[tuple[int, np.ndarray]]:
    """(mode, (H, W, 3)) of every sample, by the format's own words; JPEG by Pillow."""
    content = path.read_bytes()
    header = np.frombuffer(content, HEADER, 1)[0]
    count, table_at = int(header["num_samples"]), int(header["alloc_table_ptr"])
    start = HEADER.itemsize + FIELD.itemsize
    metadata = np.frombuffer(content, METADATA, count, start)["image"]
    table = np.frombuffer(content, ALLOCATION, offset=table_at)
    assert header["version"] == 2
    assert header["num_fields"] == 1
    assert table["sample_id"].tolist() == list(range(count))
    for image, (_, at, size) in zip(metadata, table.tolist(), strict=True):
        assert image["data_ptr"] == at
        assert at // header["page_size"] == (at + size - 1) // header["page_size"] > 0
        stored = content[at : at + size]
        if image["mode"] == RAW:
            yield RAW, np.frombuffer(stored, np.uint8).reshape(image["height"], image["width"], 3)
        else:
            pixels = np.asarray(Image.open(io.BytesIO(stored)))
            assert pixels.shape == (image["height"], image["width"], 3)
            yield JPG, pixels


@pytest.mark.parametrize("channels", [1, 3])
def test_raw_betons_hold_the_pixels(source, tmp_path, channels):
    recipe = Recipe(channels, 8)
    prepare(source, tmp_path / "out", recipe=recipe)
    for split in ("train", "validation"):
        wanted = [
            pixels.repeat(3 // channels, axis=2) for pixels in pixels_of(source, split, recipe)
        ]
        stored = list(samples(tmp_path / "out" / f"{split}.beton"))
        assert {mode for mode, _ in stored} == {RAW}
        for (_, pixels), image in zip(stored, wanted, strict=True):
            assert np.array_equal(pixels, image)


def test_pages_grow_with_the_largest_image(source, tmp_path, monkeypatch):
    monkeypatch.setattr(beton_writer, "PAGE_SIZE", 1 << 9)
    recipe = Recipe(3, 14)  # up to 900 bytes and more
    prepare(source, tmp_path, recipe=recipe)
    wanted = pixels_of(source, "train", recipe)
    stored = samples(tmp_path / "train.beton")
    assert all(np.array_equal(a, b) for (_, a), b in zip(stored, wanted, strict=True))


@pytest.mark.parametrize("channels", [1, 3])
def test_memmaps_hold_the_pixels(source, tmp_path, channels):
    recipe = Recipe(channels, 8)
    manifest = prepare(source, tmp_path, recipe=recipe, storage=Storage(format="memmap"))
    assert manifest.splits["train"].file == "train.pixels"
    index = np.load(tmp_path / "train.index.npy")
    content = (tmp_path / "train.pixels").read_bytes()
    assert index.dtype == INDEX
    wanted = iter(pixels_of(source, "train", recipe))
    for i, (offset, height, width) in enumerate(index.tolist()):
        assert (height == 0) == (i in (2, 6))
        if height:
            flat = np.frombuffer(content, np.uint8, channels * height * width, offset)
            pixels = flat.reshape(channels, height, width).transpose(1, 2, 0)
            assert np.array_equal(pixels, next(wanted))
    assert next(wanted, None) is None
    assert len(content) == manifest.splits["train"].stored_bytes


@pytest.mark.parametrize("format", ["ffcv", "memmap"])
def test_workers_change_no_byte(source, tmp_path, format):
    storage = Storage(format=format, mode="proportion" if format == "ffcv" else "raw")
    for workers in (0, 1, 3):
        prepare(source, tmp_path / str(workers), storage=storage, workers=workers)
    assert contents(tmp_path / "0") == contents(tmp_path / "1") == contents(tmp_path / "3")


def test_proportion_goes_by_the_index(source, tmp_path):
    manifest = prepare(source, tmp_path, storage=Storage(mode="proportion", proportion=0.4))
    readable = [i for i in range(9) if i not in (2, 6)]
    wanted = [JPG if drawn(i) < 0.4 else RAW for i in readable]
    assert [mode for mode, _ in samples(tmp_path / "train.beton")] == wanted
    assert manifest.splits["train"].jpg == wanted.count(JPG)
    assert 0 < wanted.count(JPG) < len(wanted)
    assert {mode for mode, _ in samples(tmp_path / "validation.beton")} == {RAW}
    assert np.mean([drawn(i) < 0.3 for i in range(4000)]) == pytest.approx(0.3, abs=0.03)


def test_smart_takes_jpg_where_it_is_much_smaller(tmp_path):
    flat = np.full((64, 64, 3), 90, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for split in ("train", "validation"):
        (tmp_path / "source" / split).mkdir(parents=True)
        for i, pixels in enumerate((flat, noise, flat)):
            Image.fromarray(pixels).save(tmp_path / "source" / split / f"{i}.png")
    storage = Storage(mode="smart", evaluation_mode="jpg", quality=90)
    manifest = prepare(tmp_path / "source", tmp_path / "out", storage=storage, recipe=Recipe(3, 64))
    stored = list(samples(tmp_path / "out/train.beton"))
    assert [mode for mode, _ in stored] == [JPG, RAW, JPG]
    assert manifest.splits["train"].jpg == 2
    assert np.abs(stored[0][1].astype(int) - flat).max() <= 3
    evaluation = list(samples(tmp_path / "out/validation.beton"))
    assert [mode for mode, _ in evaluation] == [JPG] * 3
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG", quality=90, subsampling=2)
    assert np.array_equal(evaluation[1][1], np.asarray(Image.open(file)))


def test_the_manifest_says_what_is_there(source, tmp_path):
    manifest = prepare(source, tmp_path)
    assert read_manifest(tmp_path) == manifest
    assert manifest.source == str(source)
    assert Recipe(**manifest.recipe) == RECIPE
    train = manifest.splits["train"]
    images = pixels_of(source, "train")
    assert [(one.index, one.name) for one in train.unreadable] == [(2, "02.png"), (6, "06.png")]
    assert all(one.reason and "BytesIO" not in one.reason for one in train.unreadable)
    assert (train.images, train.jpg) == (9, 0)
    assert train.stored_bytes == sum(pixels.nbytes for pixels in images)
    longer = sorted(max(pixels.shape) for pixels in images)
    assert train.long_side == (longer[0], longer[len(longer) // 2], longer[-1])
    assert train.short_side == (8, 8, 8)
    digest = hashlib.sha256()
    for path in sorted((source / "train").iterdir()):
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    assert train.source_sha256 == digest.hexdigest()
    assert train.source_fingerprint == find_sources(None, source)["train"].fingerprint()
    assert sorted(contents(tmp_path)) == [MANIFEST, "train.beton", "validation.beton"]


def test_an_unreadable_image_stops_it(source, tmp_path):
    with pytest.raises(DataError, match=r"train/02\.png cannot be read \(.*broken=skip"):
        prepare(source, tmp_path, broken="stop", workers=2)
    assert read_manifest(tmp_path) is None


def test_a_split_of_which_nothing_can_be_read(source, tmp_path):
    source = write_source(tmp_path / "source")
    for path in (source / "validation").iterdir():
        path.write_bytes(b"no image")
    with pytest.raises(DataError, match=r"no validation image in .* can be read, for example 00"):
        prepare(source, tmp_path / "out")


def test_names_that_are_no_text(tmp_path):
    source = write_source(tmp_path / "source")
    (source / "train" / b"\xff.png".decode("utf-8", "surrogateescape")).write_bytes(b"")
    last = prepare(source, tmp_path / "out").splits["train"].unreadable[-1]
    assert (last.index, last.name) == (9, "\ufffd.png")


def test_a_damaged_manifest_is_an_error(source, tmp_path):
    prepare(source, tmp_path)
    good = json.loads((tmp_path / MANIFEST).read_text())
    without = {key: value for key, value in good.items() if key != "made"}
    for damaged in ("{", json.dumps({**good, "version": 0}), json.dumps(without)):
        (tmp_path / MANIFEST).write_text(damaged)
        with pytest.raises(DataError, match=r"manifest\.json .*prepare the data again"):
            prepare(source, tmp_path)


def test_a_manifest_of_something_else_is_none(tmp_path):
    (tmp_path / MANIFEST).write_text('{"version": 3, "icons": []}')
    assert read_manifest(tmp_path) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"format": "zip"},
        {"mode": "png"},
        {"format": "memmap", "mode": "jpg"},
        {"quality": 0},
        {"proportion": 1.5},
        {"smart_threshold": 0},
    ],
)
def test_storage_that_cannot_be(fields):
    with pytest.raises(ConfigError, match="|".join(fields)):
        Storage(**fields)


@given(st.lists(st.integers(1, 3 * PAGE_SIZE), min_size=1, max_size=40))
def test_no_image_crosses_a_page(sizes):
    """Of the page size that the largest image asks for in the end, whatever came before it."""
    writer = BetonWriter(Path(), "train", len(sizes))
    page = page_size(max(sizes))
    assert page & (page - 1) == 0
    assert page >= max(sizes)
    end = writer.start
    for size in sizes:
        begin = writer.place(end, size)
        assert 0 <= begin - end < page_size(size)
        end = begin + size
        assert begin // page == (end - 1) // page
