"""An evaluation's memory: of a batch alone, and of a part of it where the batch is large."""

import gc
from collections.abc import Callable, Generator, Iterable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.metrics.test_image import NO_CODES
from tests.pretrained.weights import alexnet_file, vgg16_file
from tests.training.parts import small_tokenizer
from tests.training.test_evaluation import Mixture
from vqx.benchmarks.peak import peak_bytes
from vqx.data import Data, ImageSet, Views
from vqx.metrics import CodebookUse, Frechet, ImageErrors, Lpips, Metric
from vqx.metrics.rows import CPU_BYTES, rows_at_once
from vqx.training.evaluation import evaluate
from vqx.training.world import World

__all__ = ["alexnet_file", "vgg16_file"]

CPU, MIB = torch.device("cpu"), 1 << 20


class Large(ImageSet):
    """Any number of images that are drawn when they are read; notes what is held meanwhile."""

    name, split, channels, image_size, description = "large", "test", 3, 32, "drawn"

    def __init__(self, images: int, held: Callable[[], int]) -> None:
        self.images, self.held, self.seen = images, held, list[int]()

    def __len__(self) -> int:
        return self.images

    def read(self, views: Iterable[Views], *, workers: int = 0) -> Generator[Tensor, None, None]:
        for view in views:
            if int(view.indices[0]) % 175 == 0:
                self.seen.append(self.held())
            generator = torch.Generator().manual_seed(int(view.indices[0]))
            shape = (len(view.indices), 3, self.image_size, self.image_size)
            yield torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


class Named(Large):
    """One that the cache can know."""

    fingerprint = "drawn from each first index"  # type: ignore[assignment]


class Pooled(nn.Module):
    """As wide as VGG16's features, and much faster."""

    seen = 0

    def forward(self, images: Tensor) -> list[Tensor]:
        self.seen += len(images)
        return [images.flatten(1)[:, :512, None, None]]


def tensor_bytes() -> int:
    """Of all tensors that Python holds; views count as much as what they are of."""
    gc.collect()
    return sum(x.nbytes for x in gc.get_objects() if isinstance(x, Tensor))


def resident_bytes() -> int:
    text = Path("/proc/self/status").read_text()
    return 1024 * int(next(x for x in text.splitlines() if x.startswith("VmRSS")).split()[1])


def test_what_is_held_grows_by_a_few_numbers_an_image(vgg16_file: Path) -> None:
    tokenizer, world = small_tokenizer(), World(0, 1, CPU)
    frechet = Frechet("vgg16", weights=vgg16_file)
    frechet._features = Pooled()
    measured = [CodebookUse(tokenizer.quantizer.codebook_size), ImageErrors(), frechet]
    peaks = []
    for images in (200, 2000):
        large = Large(images, tensor_bytes)
        data = Data(large, large, "large", 3, 32)
        result = evaluate(tokenizer, data, measured, world=world, batch_size=25)
        assert result.images == images
        # Its own metrics and hash: an image itself has 3,072 bytes.
        assert max(large.seen[1:]) <= large.seen[1] + 24 * images
        peaks.append(resident_bytes())
    assert peaks[1] - peaks[0] < 15 * MIB  # as float32 the pixels alone would be 21 MiB


def test_a_set_that_was_evaluated_before_costs_half_the_networks_work(
    vgg16_file: Path, tmp_path: Path
) -> None:
    """Through a mixture, which is measured twice: from its codes, and softly."""
    tokenizer, world = small_tokenizer(Mixture()), World(0, 1, CPU)
    named = Named(12, lambda: 0)
    values = []
    for shown in (36, 24):  # real, hard and soft; then without the real ones
        frechet = Frechet("vgg16", weights=vgg16_file, cache_dir=tmp_path)
        frechet._features = Pooled()
        data = Data(named, named, "large", 3, 32)
        result = evaluate(tokenizer, data, [CodebookUse(4), frechet], world=world, batch_size=5)
        assert frechet._features.seen == shown
        values.append(result.values)
    assert values[0] == values[1]
    assert {"fd_vgg16", "soft_fd_vgg16"} <= values[0].keys()


@pytest.mark.parametrize("kind", ["image", "lpips", "fd_vgg16"])
def test_memory_at_256_px_is_that_of_a_part_of_the_batch(
    kind: str, alexnet_file: Path, vgg16_file: Path
) -> None:
    """A batch of 256 would otherwise take from 1 to 13 GiB."""
    build: dict[str, Callable[[], Metric]] = {
        "image": ImageErrors,
        "lpips": lambda: Lpips(weights=alexnet_file),
        "fd_vgg16": lambda: Frechet("vgg16", weights=vgg16_file),
    }
    metric = build[kind]().to("cpu")
    rows = rows_at_once(metric.image_bytes(256, 256, 3), CPU)
    generator = torch.Generator().manual_seed(0)
    one = torch.randint(0, 256, (1, 3, 256, 256), generator=generator, dtype=torch.uint8)
    pair = one, one.flip(3)

    def peak(images: int) -> int:
        real, fake = (x.expand(images, -1, -1, -1) for x in pair)
        return peak_bytes(lambda: metric.update(real, fake, NO_CODES), CPU)

    part = peak(rows)
    assert part < 10 * CPU_BYTES
    assert peak(3 * rows) < 1.05 * part
