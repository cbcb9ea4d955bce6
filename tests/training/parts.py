"""Small parts to train and measure in tests."""

from collections.abc import Generator, Iterable

import torch
from torch import Tensor

from vqx.data import Data, ImageSet, Views
from vqx.models import Tokenizer, conv_autoencoder
from vqx.quantizers import FSQ, Quantizer


class Noise(ImageSet):
    """`count` fixed random images."""

    def __init__(self, count: int, *, split: str, size: int = 16) -> None:
        self.name, self.split, self.channels, self.image_size = "noise", split, 3, size
        self.description = "noise"
        generator = torch.Generator().manual_seed(len(split))
        shape = (count, 3, size // 4, size // 4)
        small = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
        self.images = small.repeat_interleave(4, 2).repeat_interleave(4, 3)

    def __len__(self) -> int:
        return len(self.images)

    def read(
        self, views: Iterable[Views], *, workers: int = 0
    ) -> Generator[Tensor | None, None, None]:
        for view in views:
            yield self.images[view.indices]


def noise_data(train: int = 20, evaluation: int = 7) -> Data:
    """A data set of noise; 7 evaluation images do not divide by 2 ranks."""
    return Data(
        train=Noise(train, split="train"),
        evaluation=Noise(evaluation, split="validation"),
        name="noise",
        channels=3,
        image_size=16,
    )


def small_tokenizer(quantizer: Quantizer | None = None) -> Tokenizer:
    """A tokenizer of a few thousand weights, the same in every call."""
    torch.manual_seed(0)
    quantizer = quantizer or FSQ([5, 5, 3])
    encoder, decoder = conv_autoencoder(
        image_channels=3,
        latent_channels=quantizer.latent_channels,
        width=16,
        residual_width=4,
        residual_blocks=1,
    )
    return Tokenizer(encoder, quantizer, decoder)
