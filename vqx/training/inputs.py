"""What the model gets of a training step: floats, with patches dropped where that is asked for.

Axes: B images of the global batch, b of a micro-batch, C channels, H W pixels, W ranks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from vqx.data import parts_of, to_device
from vqx.training.masking import PatchMask
from vqx.training.step import shared_generator, to_float
from vqx.training.world import World


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """What the encoder sees and what is to come back, (b, C, H, W) in [-1, 1], and its weight.

    `share` is b W / B for W ranks: DDP averages over ranks, so that the shares of all ranks count
    each image once.
    """

    inputs: Tensor
    target: Tensor
    share: float


def micro_batches_of(
    images: Sequence[Tensor],
    *,
    step: int,
    seed: int,
    batch_size: int,
    world: World,
    mask: PatchMask | None,
) -> list[MicroBatch]:
    """This rank's uint8 `images` of optimizer step `step`, one tensor a micro-batch.

    Which patches are dropped depends on (seed, step, batch_size) alone.
    """
    targets = [to_float(x) for x in images]
    inputs = targets
    if mask is not None:
        size = (images[0].shape[-2], images[0].shape[-1])
        generator = shared_generator(seed, step=step, stream=1)
        kept = mask.draw(batch_size, size, generator=generator)
        parts = parts_of(
            batch_size, rank=world.rank, world_size=world.size, micro_batches=len(images)
        )
        inputs = [
            mask.apply(x, to_device(kept[part], x.device))
            for x, part in zip(targets, parts, strict=True)
        ]
    shares = [len(x) * world.size / batch_size for x in targets]
    return [MicroBatch(*each) for each in zip(inputs, targets, shares, strict=True)]
