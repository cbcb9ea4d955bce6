"""A run goes on with the images that it began with, or says which are others."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.parts import noise_data
from vqx.data.in_memory import TensorImages
from vqx.errors import DataError
from vqx.training.continuity import check_same_images, contents_of

RUN = Path("results/runs/one")


def images(count=4, *, value=0, description="as they are"):
    pixels = torch.full((count, 3, 8, 8), value, dtype=torch.uint8)
    return TensorImages(pixels, name="few", split="train", image_size=8, description=description)


def data(**changed):
    return replace(noise_data(), train=images(), evaluation=images(2), **changed)


def test_the_same_images_and_older_checkpoints_pass():
    check_same_images(contents_of(data()), data(), folder=RUN)
    check_same_images({}, data(), folder=RUN)
    check_same_images({"training": {"known to another loader": "x"}}, data(), folder=RUN)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"train": images(5)}, "training images .*4 images then, 5 images now"),
        ({"train": images(value=1)}, "training images .*their pixels are others"),
        ({"evaluation": images(3)}, "evaluation images .*2 images then, 3 images now"),
        ({"train": images(description="by adm")}, "as they are then, by adm now"),
    ],
)
def test_others_are_refused_in_one_line(other, said):
    with pytest.raises(DataError, match=said) as caught:
        check_same_images(contents_of(data()), replace(data(), **other), folder=RUN)
    assert "\n" not in str(caught.value)
    assert f"remove {RUN} to begin anew" in str(caught.value)
