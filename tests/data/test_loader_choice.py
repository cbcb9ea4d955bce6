"""Which loader reads what, what auto chooses and says, and what is refused."""

import re
import shutil
import threading

import numpy as np
import pytest

from tests.data.files import write_image
from tests.data.loaders import evaluated, prepared, steps, write_tree
from vqx.config import composed, run_name
from vqx.data import cached_store, folder, loaders
from vqx.data.image_folder import FolderImages
from vqx.data.prepared import opening
from vqx.data.prepared.beton_images import BetonImages
from vqx.data.prepared.stored_images import MappedImages, StoredImages
from vqx.errors import ConfigError, DataError, NoRoom, VqxError
from vqx.preparing.images import prepare
from vqx.preparing.words import Words

OPTIONS = {"image_size": 6, "load_size": 8, "workers": 0}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("choice")
    root = write_tree(place / "images", broken=False)
    prepared(root, place / "betons")
    prepared(root, place / "memmap", format="memmap")
    prepared(root, place / "jpg", mode="jpg")
    return place


def opened(place, what, **options):
    return folder(root=place / what, cache_dir=place / "cache", **(OPTIONS | options))


@pytest.mark.parametrize(
    ("what", "loader", "kind", "said"),
    [
        ("images", "auto", StoredImages, "memory (auto: about "),
        ("images", "folder", FolderImages, "folder"),
        ("images", "memory", StoredImages, "memory"),
        ("images", "memmap", MappedImages, "memmap"),
        ("memmap", "auto", StoredImages, "memory (auto: "),
        ("memmap", "memory", StoredImages, "memory"),
        ("memmap", "memmap", MappedImages, "memmap"),
        ("betons", "auto", StoredImages, "memory (auto: "),
        ("betons", "memory", StoredImages, "memory"),
        ("betons", "ffcv", BetonImages, "ffcv"),
    ],
)
def test_each_loader_reads_what_it_is_for(what, loader, kind, said, place):
    data = opened(place, what, loader=loader)
    assert isinstance(data.train, kind)
    assert isinstance(data.evaluation, kind)
    assert data.loader.startswith(said) if said.endswith(" ") else data.loader == said
    assert "\n" not in data.loader


@pytest.mark.parametrize(
    ("what", "kind", "said"),
    [
        ("images", FolderImages, r"folder \(auto: about .* more than .*vqx\.prepare"),
        ("memmap", MappedImages, r"memmap \(auto: .* more than"),
        ("betons", BetonImages, r"ffcv \(auto: .* more than"),
    ],
)
def test_auto_leaves_on_disk_what_does_not_fit(what, kind, said, place, monkeypatch):
    for module in (loaders, opening):
        monkeypatch.setattr(module, "memory_available", lambda: 2000)
    data = opened(place, what)
    assert isinstance(data.train, kind)
    assert re.match(said, data.loader), data.loader
    with pytest.raises(ConfigError, match=r"loader=memory: .* set data\.loader="):
        opened(place, what, loader="memory")


def test_auto_keeps_no_large_folder_in_the_cache(place, tmp_path, monkeypatch):
    monkeypatch.setattr(loaders, "LARGEST_CACHED", 1000)
    data = folder(root=place / "images", cache_dir=tmp_path / "cache", **OPTIONS)
    assert isinstance(data.train, FolderImages)
    assert not (tmp_path / "cache").exists()


def test_a_store_that_is_there_needs_no_cache_that_can_be_written(place, tmp_path, monkeypatch):
    images = {"root": place / "images", "cache_dir": tmp_path / "cache", **OPTIONS}
    first = folder(**images, loader="memory")

    def refused(*_):
        raise PermissionError("read-only")

    monkeypatch.setattr(cached_store, "locked", refused)
    assert folder(**images, loader="memory").train.fingerprint == first.train.fingerprint


def test_auto_reads_the_files_where_the_cache_has_no_room(place, tmp_path, monkeypatch):
    def full(*_, **__):
        raise NoRoom("12 bytes free")

    monkeypatch.setattr(cached_store, "prepare_images", full)
    images = {"root": place / "images", "cache_dir": tmp_path / "cache", **OPTIONS}
    data = folder(**images)
    assert isinstance(data.train, FolderImages)
    assert "12 bytes free" in data.loader
    with pytest.raises(DataError, match=r"set cache_dir to .*data\.loader=folder"):
        folder(**images, loader="memory")


@pytest.mark.parametrize(
    ("what", "options", "message"),
    [
        ("images", {"loader": "ffvc"}, "must be one of auto, memory, memmap, folder, ffcv"),
        ("images", {"loader": "ffcv"}, r"python -m vqx\.prepare data=folder source=.*images"),
        ("memmap", {"loader": "ffcv"}, "prepared with format=memmap"),
        ("memmap", {"loader": "folder"}, "prepared with format=memmap"),
        ("betons", {"loader": "folder"}, "which ffcv, memory and auto read"),
        ("betons", {"loader": "memmap"}, "which ffcv, memory and auto read"),
        ("betons", {"load_size": 9}, r"with 8: set data\.load_size=null, or .*max_resolution=9"),
        ("betons", {"load_size": None, "image_size": 9}, r"image_size=9 .* max_resolution=9"),
        ("memmap", {"filter": "lanczos"}, r"filter=lanczos: .*filter=bicubic: set data\.filter"),
        ("memmap", {"channels": 1}, r"channels=1: .*channels=3"),
        ("memmap", {"classes": "some.txt"}, r"set data\.classes=null"),
        ("memmap", {"evaluation_split": "test"}, "has no test split"),
        ("memmap", {"evaluation_split": "dev"}, "evaluation_split=dev must be"),
    ],
)
def test_what_does_not_fit_is_one_line_that_names_the_remedy(what, options, message, place):
    with pytest.raises(VqxError, match=message) as caught:
        opened(place, what, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("format", ["ffcv", "memmap"])
def test_images_that_could_not_be_prepared_stop_a_run_that_skips_none(format, tmp_path):
    root = write_tree(tmp_path / "images")
    prepared(root, tmp_path / "out", format=format)
    with pytest.raises(DataError, match=r"^4 images of the train .* first is 03\.png .*skip"):
        opened(tmp_path, "out")
    assert opened(tmp_path, "out", broken="skip").loader.startswith("memory")


def test_a_prepared_folder_needs_no_more_than_its_place(place):
    data = folder(root=place / "betons", image_size=8)
    assert data.evaluation.description.startswith("folder validation, short side 8 px by bicubic")
    assert evaluated(data)[0].shape == (3, 3, 8, 8)


def test_jpeg_without_ffcv_is_one_line(place, monkeypatch):
    monkeypatch.setattr("vqx.data.prepared.jpeg.find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"not installed: run tools/install-ffcv\.sh"):
        opened(place, "jpg", loader="ffcv")
    assert len(evaluated(opened(place, "betons", loader="ffcv"))) == 3  # raw needs none


def test_a_run_is_the_same_run_with_any_loader():
    words = ["data=folder", "data.root=/pictures"]
    names = {run_name(composed([*words, f"data.loader={one}"])) for one in loaders.LOADERS}
    assert len(names) == 1


def test_the_cache_is_filled_once_and_follows_the_files(tmp_path):
    for split in ("train", "validation"):
        for i in range(3):
            write_image(tmp_path / "images" / split / f"{i}.png", seed=i)
    before = evaluated(opened(tmp_path, "images", loader="memmap"))
    kept = tmp_path / "cache/data/prepared"
    (store,) = (path for path in kept.iterdir() if path.is_dir())
    state = {path: path.stat().st_mtime_ns for path in store.iterdir()}
    assert evaluated(opened(tmp_path, "images", loader="memory"))[0].shape == before[0].shape
    assert {path: path.stat().st_mtime_ns for path in store.iterdir()} == state
    write_image(tmp_path / "images/validation/0.png", height=10, seed=77)
    after = evaluated(opened(tmp_path, "images", loader="memory"))
    assert not np.array_equal(after[0], before[0])
    files = evaluated(opened(tmp_path, "images", loader="folder"))
    assert np.array_equal(after[0], files[0])


@pytest.mark.parametrize("damage", ["cut off", "gone", "no manifest"])
def test_a_damaged_or_unfinished_cache_is_made_again(damage, place, tmp_path):
    options = {**OPTIONS, "root": place / "images", "cache_dir": tmp_path, "loader": "memory"}
    wanted = evaluated(folder(**options))
    (store,) = (path for path in (tmp_path / "data/prepared").iterdir() if path.is_dir())
    pixels = store / "validation.pixels"
    if damage == "cut off":
        pixels.write_bytes(pixels.read_bytes()[:-1])
    elif damage == "gone":
        pixels.unlink()
    else:
        shutil.rmtree(store)
        store.mkdir()
    assert np.array_equal(evaluated(folder(**options))[0], wanted[0])


def test_who_asks_together_waits_for_one_preparation(place, tmp_path, monkeypatch):
    made, prepare = [], cached_store.prepare_images
    together = threading.Barrier(3, timeout=30)

    def counted(*args, **keywords):
        made.append(not list(tmp_path.glob("data/prepared/*/manifest.json")))
        return prepare(*args, **(keywords | {"workers": 0, "show_progress": False}))

    monkeypatch.setattr(cached_store, "prepare_images", counted)
    answers = []

    def ask():
        together.wait()
        data = folder(root=place / "images", cache_dir=tmp_path, loader="memory", **OPTIONS)
        answers.append(steps(data, 1)[0])

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [True]
    assert len(answers) == 3
    assert all(np.array_equal(answer, answers[0]) for answer in answers)


def test_where_nothing_can_be_kept_auto_decodes_and_memory_says_so(place, tmp_path):
    (tmp_path / "cache").write_text("no folder")
    options = {**OPTIONS, "root": place / "images", "cache_dir": tmp_path / "cache"}
    data = folder(**options)
    assert isinstance(data.train, FolderImages)
    assert "set cache_dir" in data.loader
    with pytest.raises(DataError, match="set cache_dir to a folder that can be written"):
        folder(**options, loader="memmap")


def test_a_prepared_folder_keeps_the_fraction_that_split_it(place, tmp_path):
    for i in range(8):
        write_image(tmp_path / "plain" / f"{i}.png", height=9, width=9, seed=i)
    words = [f"source={tmp_path / 'plain'}", f"out={tmp_path / 'out'}", "max_resolution=8"]
    done = prepare(Words.read([*words, "data.validation_fraction=0.4", "workers=0"]))
    assert "data.validation_fraction=0.4" in done
    options = {"root": tmp_path / "out", **OPTIONS}
    with pytest.raises(ConfigError, match=r"was prepared with 0\.4: set data\.validation_fraction"):
        folder(**options, validation_fraction=0.1)
    data = folder(**options, validation_fraction=0.4)
    assert len(data.train) + len(data.evaluation) == 8
    folder(root=place / "betons", **OPTIONS, validation_fraction=0.3)  # it had none
