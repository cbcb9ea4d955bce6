"""Small parts to train and measure in tests."""

from collections.abc import Generator, Iterable

import torch
from torch import Tensor

from vqx.data import Data, ImageSet, Views
from vqx.models import Tokenizer, conv_autoencoder
from vqx.quantizers import FSQ, Quantized, Quantizer
from vqx.quantizers.base import to_rows
from vqx.quantizers.estimator import straight_through
from vqx.quantizers.penalty import EntropyPenalty, entropy


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


class BitsWithEntropy(Quantizer):
    """Signs as `bits` bits, with the entropy penalty of a whole batch: it needs a survey."""

    def __init__(self, bits: int, *, weight: float = 0.5) -> None:
        super().__init__()
        self.latent_channels, self.codebook_size = bits, 2**bits
        self.penalty = EntropyPenalty(weight)

    @property
    def needs_survey(self) -> bool:
        return self.penalty.active

    def survey_float(self, z: Tensor) -> None:
        self.penalty.survey(self._probabilities(z).mean(0), z[:, 0].numel())

    def quantize(self, z: Tensor) -> Quantized:
        bits, p = (z > 0).long(), self._probabilities(z)
        places = 2 ** torch.arange(self.latent_channels).view(-1, 1, 1)
        term = self.penalty(entropy(p).sum(1).mean(), p.mean(0), len(p))
        return Quantized(straight_through(z, 2.0 * bits - 1), (bits * places).sum(1), term)

    def decode(self, codes: Tensor) -> Tensor:
        places = 2 ** torch.arange(self.latent_channels).view(-1, 1, 1)
        return 2.0 * (codes[:, None] // places % 2) - 1

    def _probabilities(self, z: Tensor) -> Tensor:
        """Of each bit of each token, (N, bits, 2)."""
        p = torch.sigmoid(4 * to_rows(z))
        return torch.stack([p, 1 - p], dim=-1)
