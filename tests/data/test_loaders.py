"""Every loader gives the same pixels: those of the files, one by one, by the recipe."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from tests.data.loaders import LOAD, LOADERS, SIZE, evaluated, every_loader, steps, through
from vqx.data import Views
from vqx.data.order import Order, draw_views
from vqx.data.recipe import Recipe

OTHERS = LOADERS[1:]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("loaders")
    every_loader(place)
    return place


def readable(place, split):
    """name -> pixels (H, W, C) or None of every file, in order."""
    recipe, found = Recipe(3, LOAD, "bicubic"), {}
    for path in sorted((place / "images" / split).iterdir()):
        try:
            found[path.name] = recipe.pixels(path)
        except OSError:
            found[path.name] = None
    return found


def reference_step(images, step, *, seed=3, batch_size=5):
    """One image at a time: decoded whole, sliced, turned."""
    pixels = list(images.values())
    indices = Order(len(pixels), batch_size=batch_size, seed=seed)(step)
    views = draw_views(indices, seed=seed, step=step, random_crop=True, flip=True)
    rows = []
    for row, index in enumerate(indices.tolist()):
        while pixels[index] is None:
            index = (index + 1) % len(pixels)
        image, (down, right) = pixels[index], views.position[row].tolist()
        top = int(down * (image.shape[0] - SIZE + 1))
        left = int(right * (image.shape[1] - SIZE + 1))
        window = image[top : top + SIZE, left : left + SIZE].transpose(2, 0, 1)
        rows.append(window[..., ::-1] if views.flip[row] else window)
    return np.stack(rows)


@pytest.mark.parametrize("name", LOADERS)
def test_steps_equal_one_image_at_a_time(name, place):
    data, images = through(name, place), readable(place, "train")
    got = steps(data, 8)  # 15 images: more than two epochs
    for step, batch in enumerate(got):
        assert np.array_equal(batch, reference_step(images, step)), step
    broken = sorted(name for name, pixels in images.items() if pixels is None)
    assert data.train.left_out == broken


@pytest.mark.parametrize("name", LOADERS)
def test_evaluation_is_the_centre_of_each_readable_image_once(name, place):
    data, images = through(name, place), readable(place, "validation")
    expected = []
    for pixels in images.values():
        if pixels is not None:
            top, left = ((side - SIZE) // 2 for side in pixels.shape[:2])
            window = pixels[top : top + SIZE, left : left + SIZE]
            expected.append(window.transpose(2, 0, 1))
    assert np.array_equal(np.concatenate(evaluated(data)), np.stack(expected))
    assert data.evaluation.left_out == [n for n, pixels in images.items() if pixels is None]
    assert len(data.evaluation) == len(images)


@pytest.mark.parametrize("name", LOADERS)
def test_rows_left_out_take_their_places_with_them(name, place):
    images = list(readable(place, "validation").values())
    count = len(images)
    position = torch.linspace(0, 0.99, 2 * count, dtype=torch.float64).view(count, 2)
    flip = torch.arange(count) % 3 == 0
    (batch,) = through(name, place).evaluation.read([Views(torch.arange(count), position, flip)])
    expected = []
    for pixels, (down, right), turned in zip(images, position.tolist(), flip, strict=True):
        if pixels is not None:
            top, left = int(down * (pixels.shape[0] - 5)), int(right * (pixels.shape[1] - 5))
            window = pixels[top : top + SIZE, left : left + SIZE].transpose(2, 0, 1)
            expected.append(window[..., ::-1] if turned else window)
    assert np.array_equal(batch, np.stack(expected))


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize(
    "options",
    [
        {"flip": False},
        {"random_crop": False},
        {"shuffle": False},
        {"channels": 3, "image_size": LOAD},
    ],
)
def test_flags_do_the_same_with_every_loader(name, options, place):
    data, files = through(name, place, **options), through("folder", place, **options)
    assert all(np.array_equal(a, b) for a, b in zip(steps(data, 4), steps(files, 4), strict=True))
    assert data.evaluation.description == files.evaluation.description


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_workers_ranks_and_start_change_nothing(name, place):
    whole = steps(through(name, place), 7)
    for workers, start, world_size in ((1, 0, 1), (4, 2, 2), (2, 5, 4)):
        data = through(name, place, workers=workers)
        ranks = [
            steps(data, 2, start_step=start, rank=rank, world_size=world_size)
            for rank in range(world_size)
        ]
        for step in range(2):
            batch = np.concatenate([rank[step] for rank in ranks])
            assert np.array_equal(batch, whole[start + step])
        parts = [
            part
            for rank in range(world_size)
            for part in evaluated(data, rank=rank, world_size=world_size)
        ]
        assert np.array_equal(np.concatenate(parts), np.concatenate(evaluated(data)))


@pytest.mark.parametrize("name", LOADERS)
def test_an_epoch_holds_each_image_once_whatever_the_order(name, place):
    options = {"flip": False, "random_crop": False}
    plain, mixed = (
        np.concatenate(steps(through(name, place, shuffle=shuffle, **options), 3, batch_size=5))
        for shuffle in (False, True)
    )
    assert not np.array_equal(plain, mixed)
    plain, mixed = (sorted(image.tobytes() for image in images) for images in (plain, mixed))
    # Files that stand in for broken ones come more than once, the same in any order.
    assert len(plain) == 15
    assert plain == mixed


def part_of_rank(place, name):
    import torch.distributed as dist

    data, rank = through(name, place), {"rank": dist.get_rank(), "world_size": 2}
    return steps(data, 3, **rank), evaluated(data, **rank), data.loader


@pytest.mark.parametrize("name", ["memory", "ffcv"])
def test_two_ranks_share_every_step_and_image(name, place, two_ranks):
    (first, left, _), (second, right, _) = two_ranks(part_of_rank, place, name)
    whole = steps(through(name, place), 3)
    for parts, batch in zip(zip(first, second, strict=True), whole, strict=True):
        assert np.array_equal(np.concatenate(parts), batch)
    everything = np.concatenate(evaluated(through(name, place)))
    assert np.array_equal(np.concatenate([*left, *right]), everything)


def test_fingerprints_tell_windows_splits_and_recipes_apart(place):
    for name in LOADERS:
        sets = [
            through(name, place).evaluation,
            through(name, place).train,
            through(name, place, image_size=SIZE - 1).evaluation,
        ]
        if name != "memory of ffcv" and name != "ffcv":
            sets.append(through(name, place, load_size=LOAD + 1).evaluation)
        texts = sorted(one.fingerprint for one in sets)
        assert all(a != b for a, b in pairwise(texts)), name
        assert through(name, place).evaluation.fingerprint == sets[0].fingerprint
