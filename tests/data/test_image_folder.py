"""Folders of image files: pixels against a plain reference, whatever reads them."""

from contextlib import closing
from functools import partial
from itertools import islice

import numpy as np
import pytest
import torch
from PIL import Image

from tests.data.files import write_folder, write_image
from vqx import data as vqx_data
from vqx.data import evaluation_batches, train_batches
from vqx.data.order import Order, draw_views
from vqx.errors import ConfigError, DataError

SIZES = {"image_size": 6, "load_size": 7}
folder = partial(vqx_data.folder, loader="folder")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("images"))


def steps(data, count, **options):
    with closing(train_batches(data, **{"batch_size": 4, "seed": 3, **options})) as batches:
        return list(islice(batches, count))


def evaluated(data, **options):
    return list(evaluation_batches(data, **{"batch_size": 2, **options}))


def equal(first, second):
    return len(first) == len(second) and all(
        torch.equal(a, b) for a, b in zip(first, second, strict=True)
    )


def reference_step(data, step, *, seed=3, batch_size=4):
    """One image at a time with Pillow, from the definition of the draws."""
    indices = Order(len(data.train), batch_size=batch_size, seed=seed)(step)
    views = draw_views(indices, seed=seed, step=step, random_crop=True, flip=True)
    rows = []
    for row, index in enumerate(indices.tolist()):
        reader = data.train.reader
        image = Image.open(reader.source.root / reader.source.names[index]).convert("RGB")
        scale = 7 / min(image.size)
        shape = tuple(int(side * scale + 0.5) for side in image.size)
        array = np.asarray(image.resize(shape, Image.Resampling.BICUBIC))
        down, right = views.position[row].tolist()
        top, left = int(down * (shape[1] - 5)), int(right * (shape[0] - 5))
        window = torch.from_numpy(array[top : top + 6, left : left + 6].copy()).permute(2, 0, 1)
        rows.append(window.flip(-1) if views.flip[row] else window)
    return torch.stack(rows)


def test_steps_equal_one_image_at_a_time(root):
    data = folder(root=root, workers=0, **SIZES)
    for step, (batch,) in enumerate(steps(data, 6)):
        assert torch.equal(batch, reference_step(data, step))


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_workers_ranks_micro_batches_and_start_change_nothing(root, workers, started):
    reference = folder(root=root, workers=0, **SIZES)
    whole = [batch for (batch,) in steps(reference, 8)]  # 11 images: almost three epochs
    data = folder(root=root, workers=workers, **SIZES)
    for start in (0, 2, 5):
        parts = [
            steps(data, 2, start_step=start, rank=r, world_size=2, micro_batches=2)
            for r in range(2)
        ]
        got = [torch.cat([*a, *b]) for a, b in zip(*parts, strict=True)]
        assert equal(got, whole[start : start + 2])
    assert equal(evaluated(data), evaluated(reference))
    assert not started()


@pytest.mark.slow
def test_spawned_workers_change_nothing(root):
    data = folder(root=root, workers=1, start_method="spawn", **SIZES)
    reference = folder(root=root, workers=0, **SIZES)
    for a, b in zip(steps(data, 4), steps(reference, 4), strict=True):
        assert equal(a, b)


def test_evaluation_is_the_centre_of_each_file_once(root):
    data = folder(root=root, workers=0, filter="lanczos", **SIZES)
    assert data.evaluation.description == (
        "folder validation, short side 7 px by lanczos, antialiased, long side rounded half up, "
        "6x6 centre crop"
    )
    assert (len(data.train), len(data.evaluation)) == (11, 5)
    expected = []
    for name in data.evaluation.reader.source.names:
        image = Image.open(root / "validation" / name).convert("RGB")
        shape = tuple(int(side * 7 / min(image.size) + 0.5) for side in image.size)
        array = np.asarray(image.resize(shape, Image.Resampling.LANCZOS))
        top, left = (array.shape[0] - 6) // 2, (array.shape[1] - 6) // 2
        expected.append(array[top : top + 6, left : left + 6].transpose(2, 0, 1))
    batches = evaluated(data)
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert np.array_equal(torch.cat(batches).numpy(), np.stack(expected))
    ranks = [evaluated(data, rank=r, world_size=2) for r in range(2)]
    assert torch.equal(torch.cat([*ranks[0], *ranks[1]]), torch.cat(batches))


@pytest.mark.parametrize("workers", [0, 2])
def test_leaving_early_leaves_no_process(root, workers, started):
    data = folder(root=root, workers=workers, **SIZES)
    batches = train_batches(data, batch_size=4, seed=0)
    next(batches)
    assert len(started()) == workers
    batches.close()
    for _ in evaluation_batches(data, batch_size=1):
        break
    assert not started()


def test_channels_follow_the_headers_or_the_keyword(tmp_path):
    for i in range(3):
        write_image(tmp_path / "train" / f"{i}.png", channels=1, seed=i)
    write_image(tmp_path / "val" / "v.png", channels=3)
    assert folder(root=tmp_path, image_size=4).channels == 1
    data = folder(root=tmp_path, image_size=4, workers=0, channels=3)
    (batch,) = evaluated(data)
    assert (data.channels, batch.shape) == (3, (1, 3, 4, 4))
    (grey,) = evaluated(folder(root=tmp_path, image_size=4, workers=0))
    assert grey.shape == (1, 1, 4, 4)
    write_image(tmp_path / "train" / "z.png", channels=3)
    assert folder(root=tmp_path, image_size=4).channels == 3


def test_a_plain_folder_is_one_set_in_two_parts(tmp_path):
    for i in range(30):
        write_image(tmp_path / f"{i}.png", seed=i)
    data = folder(root=tmp_path, image_size=4, workers=0, validation_fraction=0.3)
    assert len(data.train) + len(data.evaluation) == 30
    assert sum(len(batch) for batch in evaluated(data)) == len(data.evaluation)


def damage(root, *names):
    """Cut off, not an image, empty: three ways to be broken."""
    for number, name in enumerate(names):
        path = root / name
        content = path.read_bytes()
        path.write_bytes([content[: len(content) // 2], b"no image", b""][number % 3])


@pytest.fixture
def damaged(tmp_path):
    for split, count in (("train", 6), ("validation", 5)):
        for i in range(count):
            write_image(tmp_path / split / f"{i}.png", height=12, width=12, seed=i)
    damage(tmp_path, "train/2.png", "train/3.png", "train/5.png")
    damage(tmp_path, "validation/0.png", "validation/1.png", "validation/3.png")
    return tmp_path


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_image_stops_the_run_and_is_named(damaged, workers, started):
    data = folder(root=damaged, image_size=8, workers=workers, shuffle=False)
    with pytest.raises(
        DataError, match=r"train/2\.png cannot be read .*data\.broken=skip"
    ) as caught:
        steps(data, 2, batch_size=2)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=r"validation/0\.png cannot be read"):
        evaluated(data)
    assert not started()


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_a_skipped_image_is_replaced_by_the_next_in_training(damaged, workers):
    data = folder(
        root=damaged, image_size=12, workers=workers, broken="skip", shuffle=False, flip=False
    )
    sources = [0, 1, 4, 4, 4, 0]  # 2, 3 -> 4 and 5 -> 0, past the end
    (batch,) = steps(data, 1, batch_size=6)[0]
    for row, source in enumerate(sources):
        expected = np.asarray(Image.open(damaged / f"train/{source}.png")).transpose(2, 0, 1)
        assert np.array_equal(batch[row].numpy(), expected)
    assert data.train.left_out == ["2.png", "3.png", "5.png"]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_skipped_image_is_left_out_of_evaluation_and_named(damaged, workers):
    data = folder(root=damaged, image_size=12, workers=workers, broken="skip")
    evaluation = evaluation_batches(data, batch_size=2)
    assert evaluation.left_out == []
    batches = list(evaluation)
    assert [len(batch) for batch in batches] == [1, 1]  # {0, 1} all gone, {2, 3} -> 2, {4}
    assert len(batches) <= evaluation.rounds == 3
    for batch, source in zip(batches, (2, 4), strict=True):
        expected = np.asarray(Image.open(damaged / f"validation/{source}.png"))
        assert np.array_equal(batch[0].numpy(), expected.transpose(2, 0, 1))
    assert evaluation.left_out == data.evaluation.left_out == ["0.png", "1.png", "3.png"]
    list(evaluation)
    assert len(evaluation.left_out) == 3


def test_each_rank_names_what_it_left_out(damaged):
    names = []
    for rank in range(2):
        data = folder(root=damaged, image_size=12, workers=0, broken="skip")
        evaluation = evaluation_batches(data, batch_size=2, rank=rank, world_size=2)
        list(evaluation)
        assert evaluation.rounds == 2
        names += evaluation.left_out
    assert names == ["0.png", "1.png", "3.png"]


def test_a_folder_of_nothing_readable_is_an_error(tmp_path):
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "a.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"none of the first 64 images in .*train can be read"):
        folder(root=tmp_path, image_size=4)
    data = folder(root=tmp_path, image_size=4, workers=0, channels=3, broken="skip")
    with pytest.raises(DataError, match=r"no image of the train split of 'folder' can be"):
        steps(data, 1)
    assert evaluated(data) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"load_size": 3}, "load_size=3 must be at least image_size=4"),
        ({"filter": "sinc"}, "filter=sinc must be one of nearest"),
        ({"channels": 4}, "channels=4 must be 1, 3 or null"),
        ({"broken": "ignore"}, "broken=ignore must be stop or skip"),
    ],
)
def test_wrong_options_are_refused(root, options, message):
    with pytest.raises(ConfigError, match=message):
        folder(root=root, image_size=4, **options)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere does not exist"):
        folder(root=tmp_path / "nowhere")
