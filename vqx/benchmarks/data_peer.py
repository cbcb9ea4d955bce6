"""ffcv.Loader as a reader of the data benchmark: the same windows by FFCV's own operations.

Only for a process of its own: importing ffcv sets torch to one thread, and its threads stay.
"""

import importlib
from collections.abc import Generator
from typing import Any

import numpy as np
import torch

from vqx.benchmarks.data_readers import Reading

EPOCH = 1_000_000  # images, each of them many times


def peer(reading: Reading) -> Generator[Any, None, None]:
    """float32 (b, C, S, S) in [-1, 1], channels last, from the file `reading.root`; None first.

    A batch is overwritten when a few more have been read.
    """
    threads = torch.get_num_threads()
    ffcv = importlib.import_module("ffcv.loader")
    steps = importlib.import_module("ffcv.transforms")
    torch.set_num_threads(threads)
    yield None
    middle = np.full(3, 127.5)
    pipeline = [
        _window_decoder(reading.image_size),
        steps.RandomHorizontalFlip(),
        steps.NormalizeImage(middle, middle, np.float32),
        steps.ToTensor(),
        steps.ToTorchImage(convert_back_int16=False),
    ]
    loader = ffcv.Loader(
        str(reading.root),
        batch_size=reading.batch,
        num_workers=reading.workers,
        os_cache=True,
        order=ffcv.OrderOption.RANDOM,
        seed=0,
        # Long epochs: nothing is lost between epochs.
        indices=np.tile(np.arange(reading.images), -(-EPOCH // reading.images)),
        pipelines={"image": pipeline},
    )
    while True:
        for (images,) in loader:
            yield images


def _window_decoder(size: int) -> Any:
    """FFCV's cropping decoder with windows of `size` px anywhere, which are not resized."""
    images = importlib.import_module("ffcv.fields.rgb_image")

    def window(height: int, width: int, scale: Any, ratio: Any) -> tuple[int, int, int, int]:
        top = np.random.randint(0, height - size + 1)
        left = np.random.randint(0, width - size + 1)
        return top, left, size, size

    class WindowDecoder(images.ResizedCropRGBImageDecoder):  # type: ignore[name-defined, misc]
        scale, ratio = None, None

        @property
        def get_crop_generator(self) -> Any:
            return window

    return WindowDecoder((size, size))
