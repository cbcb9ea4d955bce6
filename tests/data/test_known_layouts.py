"""ImageNet, faces, Places365: which images each split holds, and what a wrong tree is told."""

import pytest

from tests.data.files import touch
from tests.data.trees import SPLIT_OF_CELEBA
from vqx.data.layouts import choose_splits, find_sources
from vqx.errors import ConfigError, DataError

TRAIN = [f"train/n{c:08d}/n{c:08d}_{i}.JPEG" for c in (1, 2) for i in (0, 1)]


def found(layout, root, **options):
    sources = find_sources(layout, root, **options)
    return {split: list(source.names) for split, source in sources.items()}


@pytest.mark.parametrize("inside", ["", "ILSVRC/Data/CLS-LOC/", "CLS-LOC/"])
def test_imagenet_with_class_folders_or_a_flat_validation_folder(tmp_path, inside):
    touch(tmp_path, *(inside + name for name in TRAIN), f"{inside}test/ILSVRC2012_test_1.JPEG")
    touch(tmp_path, f"{inside}val/ILSVRC2012_val_1.JPEG", f"{inside}val/n00000001/v2.JPEG")
    assert found("imagenet", tmp_path) == {
        "train": [name.removeprefix("train/") for name in TRAIN],
        "validation": ["ILSVRC2012_val_1.JPEG", "n00000001/v2.JPEG"],
        "test": ["ILSVRC2012_test_1.JPEG"],
    }


def test_classes_are_chosen_by_a_file_in_training_and_validation(tmp_path):
    touch(tmp_path, *TRAIN, "val/n00000001/v1.JPEG", "val/n00000002/v2.JPEG", "test/t.JPEG")
    for name, text in (
        ("list.txt", "# the second\n\nn00000002 goldfish\n"),
        ("list.json", '{"n00000002": "goldfish"}'),
    ):
        (tmp_path / name).write_text(text)
        assert found("imagenet", tmp_path, classes=tmp_path / name) == {
            "train": ["n00000002/n00000002_0.JPEG", "n00000002/n00000002_1.JPEG"],
            "validation": ["n00000002/v2.JPEG"],
        }


def test_classes_of_a_flat_validation_folder_come_from_the_published_list(tmp_path):
    root = tmp_path / "ILSVRC" / "Data" / "CLS-LOC"
    touch(root, *TRAIN, "val/v1.JPEG", "val/v2.JPEG")
    (tmp_path / "list.txt").write_text("n00000001")
    with pytest.raises(DataError, match=r"class of .*val/v1.JPEG is not known.*LOC_val_solution"):
        found("imagenet", tmp_path, classes=tmp_path / "list.txt")
    text = "ImageId,PredictionString\nv1,n00000002 1 2 3 4\nv2,n00000001 5 6 7 8 \n"
    (tmp_path / "LOC_val_solution.csv").write_text(text)
    assert found("imagenet", tmp_path, classes=tmp_path / "list.txt")["validation"] == ["v2.JPEG"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty: expected one class a line"),
        ("goldfish", "holds 'goldfish': expected one class a line"),
        ("n00000001\nn00000009", "no images of 1 of the 2 classes in data.classes, as n00000009"),
        (None, r"list.txt cannot be read \(.*No such file"),
    ],
)
def test_a_wrong_list_of_classes_is_refused(tmp_path, text, message):
    touch(tmp_path, *TRAIN, "val/n00000001/v1.JPEG")
    if text is not None:
        (tmp_path / "list.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        find_sources("imagenet", tmp_path, classes=tmp_path / "list.txt")


def test_classes_need_the_layout_that_has_them(tmp_path):
    with pytest.raises(ConfigError, match="classes=x needs layout=imagenet"):
        find_sources(None, tmp_path, classes="x")


def test_the_parts_of_imagenet_100_are_one_split(tmp_path):
    touch(tmp_path, "train.X2/n00000002/b.JPEG", "train.X1/n00000001/a.JPEG")
    touch(tmp_path, "val.X/n00000001/v.JPEG")
    assert found("imagenet", tmp_path) == {
        "train": ["train.X1/n00000001/a.JPEG", "train.X2/n00000002/b.JPEG"],
        "validation": ["n00000001/v.JPEG"],
    }


@pytest.mark.parametrize("folder", ["", "celeba/"])
@pytest.mark.parametrize("doubled", ["", "img_align_celeba/"])
@pytest.mark.parametrize("suffix", ["txt", "csv"])
def test_celeba_in_torchvision_s_and_kaggle_s_spelling(tmp_path, folder, doubled, suffix):
    images = [f"{folder}img_align_celeba/{doubled}{stem}.jpg" for stem in SPLIT_OF_CELEBA]
    touch(tmp_path, *images, f"{folder}img_align_celeba/{doubled}999999.jpg")
    comma = "," if suffix == "csv" else "  "
    lines = [f"{stem}.jpg{comma}{split}" for stem, split in SPLIT_OF_CELEBA.items()]
    lines = ["image_id,partition", *lines] if suffix == "csv" else lines
    (tmp_path / folder / f"list_eval_partition.{suffix}").write_text("\r\n".join(lines))
    assert found("celeba", tmp_path) == {
        "train": ["000001.jpg", "000002.jpg", "000005.jpg"],
        "validation": ["000003.jpg"],
        "test": ["000004.jpg"],
    }


def test_a_part_of_celeba_or_a_damaged_list_is_refused(tmp_path):
    touch(tmp_path, "img_align_celeba/000001.jpg")
    partition = tmp_path / "list_eval_partition.txt"
    partition.write_text("000001.jpg 0\n000002.jpg 1\n")
    with pytest.raises(DataError, match=r"lacks 1 of the 2 images in .*, as 000002: unpack"):
        find_sources("celeba", tmp_path)
    partition.write_text("000001.jpg 3\n")
    with pytest.raises(DataError, match=r"has the line '000001\.jpg 3'"):
        find_sources("celeba", tmp_path)


def test_celebahq_has_celeba_s_splits_where_the_lists_are_there(tmp_path):
    base = tmp_path / "CelebAMask-HQ"
    touch(base / "CelebA-HQ-img", "0.jpg", "1.jpg", "10.jpg", "2.jpg")
    assert found("celebahq", tmp_path) == {"train": ["0.jpg", "1.jpg", "2.jpg", "10.jpg"]}
    lines = [f"{i} {orig} {orig:06d}.jpg" for i, orig in ((0, 4), (1, 3), (2, 1), (10, 2))]
    mapping = base / "CelebA-HQ-to-CelebA-mapping.txt"
    mapping.write_text("\n".join(["idx orig_idx orig_file", *lines]))
    splits = [f"{stem}.jpg {split}" for stem, split in SPLIT_OF_CELEBA.items()]
    (tmp_path / "list_eval_partition.txt").write_text("\n".join(splits))
    assert found("celebahq", tmp_path) == {
        "train": ["10.jpg", "2.jpg"],
        "validation": ["1.jpg"],
        "test": ["0.jpg"],
    }


def test_celebahq_in_folders_of_its_splits(tmp_path):
    touch(tmp_path, "celeba_hq/train/male/1.jpg", "celeba_hq/val/female/2.jpg")
    assert found("celebahq", tmp_path) == {"train": ["male/1.jpg"], "validation": ["female/2.jpg"]}


@pytest.mark.parametrize("folder", ["images1024x1024/", "thumbnails128x128/", ""])
@pytest.mark.parametrize("flat", [True, False])
def test_ffhq_is_split_by_number(tmp_path, folder, flat):
    names = [
        ("" if flat else f"{n // 1000 * 1000:05d}/") + f"{n:05d}.png" for n in (0, 59999, 60000)
    ]
    touch(tmp_path, *(folder + name for name in names))
    assert found("ffhq", tmp_path) == {"train": names[:2], "validation": names[2:]}


@pytest.mark.parametrize(
    ("names", "message"),
    [(["a/1.png", "b/01.png"], "taken already"), (["1.png", "x.png"], "not named by a number")],
)
def test_numbered_images_have_numbers_of_their_own(tmp_path, names, message):
    touch(tmp_path, *names)
    with pytest.raises(DataError, match=message):
        find_sources("ffhq", tmp_path)


@pytest.mark.parametrize(
    ("train", "validation"),
    [
        ("places365_standard/train", "places365_standard/val"),
        ("train", "val"),
        ("data_256", "val_256"),
        ("data_256_standard", "val_256"),
        ("data_large_standard", "val_large"),
    ],
)
def test_places365_in_each_size(tmp_path, train, validation):
    touch(tmp_path, f"{train}/a/abbey/1.jpg", f"{validation}/2.jpg")
    assert found("places365", tmp_path) == {"train": ["a/abbey/1.jpg"], "validation": ["2.jpg"]}


@pytest.mark.parametrize(
    "layout", ["imagenet", "celeba", "celebahq", "ffhq", "places365", "parquet"]
)
def test_another_tree_is_refused_with_what_is_expected(tmp_path, layout):
    touch(tmp_path, "somewhere/notes.txt")
    with pytest.raises(DataError, match="expected") as caught:
        choose_splits(find_sources(layout, tmp_path), None, tmp_path, layout=layout)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_packed_class_archives_are_named(tmp_path):
    touch(tmp_path, "train/n00000001.tar", "val/1.JPEG")
    with pytest.raises(DataError, match=r"unpack the \.tar of each class"):
        find_sources("imagenet", tmp_path)


def test_an_unknown_layout_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"layout=lsun must be null .* or imagenet"):
        find_sources("lsun", tmp_path)
