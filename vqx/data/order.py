"""Which images a training step sees and how: a function of (seed, step) alone.

Nothing here knows of ranks, micro-batches, workers or of the steps before, so none of them can
change what is drawn and a run may start at any step.

Axes: B global batch, N images.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from vqx.data.image_set import Views

# First words of the entropy, so that an epoch's order and a step's draws never share a stream.
_ORDER, _DRAWS = 1, 2


def _generator(stream: int, seed: int, counter: int) -> torch.Generator:
    # SeedSequence mixes all bits: neighbouring seeds and counters give unrelated streams.
    entropy = np.random.SeedSequence([stream, seed % 2**64, counter])
    state = int(entropy.generate_state(1, np.uint64)[0]) >> 1
    return torch.Generator().manual_seed(state)


@dataclass(slots=True)
class Order:
    """The endless stream of epoch permutations of N images, cut in batches of B.

    Step s takes positions [s B, (s+1) B) of the stream, across epoch borders: no image is dropped
    at the end of an epoch. Any step costs at most the permutations of the epochs it touches.
    """

    length: int
    batch_size: int
    seed: int
    shuffle: bool = True
    _epoch: int = field(default=-1, init=False)
    _permutation: Tensor = field(default_factory=lambda: torch.empty(0), init=False)

    def __call__(self, step: int) -> Tensor:
        """Indices (B,) int64 of global step `step`."""
        start, stop = step * self.batch_size, (step + 1) * self.batch_size
        parts = []
        while start < stop:
            epoch, offset = divmod(start, self.length)
            part = self._of_epoch(epoch)[offset : offset + stop - start]
            parts.append(part)
            start += len(part)
        return torch.cat(parts)

    def _of_epoch(self, epoch: int) -> Tensor:
        if epoch != self._epoch:
            generator = _generator(_ORDER, self.seed, epoch)
            n = self.length
            order = torch.randperm(n, generator=generator) if self.shuffle else torch.arange(n)
            self._epoch, self._permutation = epoch, order
        return self._permutation


def draw_views(indices: Tensor, *, seed: int, step: int, random_crop: bool, flip: bool) -> Views:
    """Views of the global batch `indices` (B,) of step `step`.

    Crops and flips are both drawn even if only one is wanted: switching one off leaves the other.
    """
    generator = _generator(_DRAWS, seed, step)
    position = torch.rand(len(indices), 2, generator=generator, dtype=torch.float64)
    mirrored = torch.rand(len(indices), generator=generator) < 0.5
    return Views(indices, position if random_crop else None, mirrored if flip else None)
