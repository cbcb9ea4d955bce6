"""What loaders leave behind after many starts, early stops and epochs: nothing."""

import gc
import multiprocessing
import os
import threading
from contextlib import closing
from pathlib import Path

import pytest

from tests.data.files import write_image
from tests.data.loaders import LOADERS, every_loader, prepared, through
from vqx.data import evaluation_batches, folder, train_batches

STARTS = 50


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("leaks")
    every_loader(place)
    prepared(place / "images", place / "jpg", mode="jpg", evaluation_mode="jpg")
    return place


def held():
    """Threads, processes, descriptors, maps of data and shared memory of this process.

    Of /dev/shm what is mapped here or named for this process: others have theirs there too.
    """
    gc.collect()
    maps = Path("/proc/self/maps").read_text()
    named = [name for name in os.listdir("/dev/shm") if f"_{os.getpid()}_" in name]
    return {
        "threads": threading.active_count(),
        "processes": len(multiprocessing.active_children()),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "maps": maps.count(".beton") + maps.count(".pixels"),
        "shared memory": maps.count("/dev/shm/") + len(named),
    }


def start_and_leave(open_data, stop):
    """One start that ends early: closed, forgotten, or within an evaluation."""
    data = open_data()
    if stop % 3 == 2:
        for _ in evaluation_batches(data, batch_size=2):
            break
        return
    batches = train_batches(data, batch_size=4, seed=0)
    for _ in range(stop % 4 + 1):
        next(batches)
    if stop % 3:
        batches.close()


# Each start of worker processes takes a while.
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("folder", marks=pytest.mark.slow),
        *LOADERS[1:],
        pytest.param("jpg", marks=pytest.mark.ffcv),
    ],
)
def test_fifty_starts_and_early_stops_leave_nothing(name, place):
    def open_data():
        if name == "jpg":
            return folder(root=place / "jpg", image_size=6, workers=2, broken="skip")
        return through(name, place, workers=2)

    start_and_leave(open_data, 0)
    before = held()
    for stop in range(STARTS):
        start_and_leave(open_data, stop)
    assert held() == before


def resident():
    """Bytes of memory that this process has."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(scope="module")
def larger(tmp_path_factory):
    """Images whose batches are large enough to be seen when they are kept."""
    place = tmp_path_factory.mktemp("larger")
    for split, count in (("train", 12), ("validation", 4)):
        for i in range(count):
            write_image(place / f"images/{split}/{i}.png", height=64, width=70, seed=i)
    prepared(place / "images", place / "betons", load=64)
    return place


@pytest.mark.parametrize("name", LOADERS)
def test_twenty_epochs_take_no_more_memory_than_five(name, larger):
    workers = 0 if name == "folder" else 2
    data = through(name, larger, image_size=64, load_size=64, workers=workers)
    with closing(train_batches(data, batch_size=12, seed=0)) as batches:
        used = []
        for epoch in range(1, 21):
            for _ in range(3):
                next(batches)
            list(evaluation_batches(data, batch_size=4))
            if epoch in (5, 20):
                used.append(resident())
    # 15 epochs of 40 images of 12 kB are 7 MB.
    assert used[1] - used[0] < 2_000_000
