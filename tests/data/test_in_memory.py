"""Image sets in memory."""

import pytest
import torch

from tests.data.files import tensor_data
from vqx.data import Views
from vqx.data.in_memory import TensorImages
from vqx.errors import DataError


def test_one_answer_for_each_view_in_order():
    images = tensor_data().train
    views = [Views(torch.tensor([3, 1])), Views(torch.tensor([9]))]
    first, second = images.read(views)
    assert torch.equal(first, images.images[[3, 1], :, 1:6, 1:6])
    assert torch.equal(second, images.images[[9], :, 1:6, 1:6])


def test_grey_is_repeated_when_three_channels_are_asked_for():
    grey = torch.arange(32, dtype=torch.uint8).reshape(2, 1, 4, 4)
    images = TensorImages(
        grey, name="g", split="train", image_size=4, channels=3, description="grey"
    )
    flip = torch.tensor([True, False])
    (batch,) = images.read([Views(torch.tensor([0, 1]), flip=flip)])
    assert images.channels == 3
    assert batch.shape == (2, 3, 4, 4)
    for channel in range(3):
        assert torch.equal(batch[0, channel], grey[0, 0].flip(-1))
        assert torch.equal(batch[1, channel], grey[1, 0])


def test_no_images_is_an_error_that_names_the_set():
    with pytest.raises(DataError, match="'empty' has no images in its test split"):
        TensorImages(
            torch.empty(0, 3, 4, 4), name="empty", split="test", image_size=4, description=""
        )


def test_nothing_is_left_out():
    assert tensor_data().evaluation.left_out == []
