"""Reference features that are kept: equal numbers, half the work, and never another set's."""

import copy
import functools
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.gloo import GlooPool
from tests.metrics.test_image import NO_CODES
from tests.metrics.test_ssim import noisy_pair
from vqx.collectives import rank
from vqx.data import ImageSet
from vqx.errors import DataError
from vqx.metrics import Frechet
from vqx.metrics.base import float_sum

WIDTH = 40


class Named(ImageSet):
    """A set of which nothing is read here."""

    name, split, channels, image_size, description = "noise", "test", 3, 16, "centre crop"

    def __init__(self, fingerprint: str | None = "noise of seed 0", **changed: Any) -> None:
        self.known_as = fingerprint
        vars(self).update(changed)

    @property
    def fingerprint(self) -> str | None:
        assert rank() == 0, "a fingerprint may look at every file, once is enough"
        return self.known_as

    def __len__(self) -> int:
        return 7

    def read(self, views: Any, *, workers: int = 0) -> Any:
        raise NotImplementedError


class Projection(nn.Module):
    """Features of a network that is much faster than VGG16; counts the images it is shown."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(WIDTH, 3 * 16 * 16, generator=generator))
        self.seen = 0

    def forward(self, images: Tensor) -> list[Tensor]:
        self.seen += len(images)
        return [(images.flatten(1) @ self.weight.T)[:, :, None, None]]


@functools.cache
def built(weights: Path) -> Frechet:
    frechet = Frechet("vgg16", weights=weights)
    frechet._kind = replace(frechet._kind, width=WIDTH)
    for side in ("real", "fake"):
        frechet.sums |= {f"{side}_sum": float_sum(WIDTH)}
        frechet.sums |= {f"{side}_products": float_sum(WIDTH, WIDTH)}
    return frechet


def metric(weights: Path, cache_dir: Path | None) -> Frechet:
    """A new one; to load the network each time would take most of the time."""
    frechet = copy.copy(built(weights))
    frechet._features, frechet._cache_dir, frechet._said = Projection(), cache_dir, set()
    frechet.reset()
    return frechet


def measure(
    frechet: Frechet, real: Tensor, fake: Tensor, images: ImageSet | None = None, *, batch: int = 3
) -> tuple[float, int]:
    """The distance, and how many images the network was shown for it."""
    before = frechet._features.seen  # type: ignore[union-attr]
    frechet.reset()
    frechet.start(images or Named())
    for x, y in zip(real.split(batch), fake.split(batch), strict=True):
        frechet.update(x, y, NO_CODES)
    frechet.merge()
    return frechet.compute()["fd_vgg16"].value, frechet._features.seen - before  # type: ignore


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    return noisy_pair((7, 3, 16, 16), noise=60)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def statistics(cache: Path) -> list[Path]:
    return sorted((cache / "statistics").glob("*.safetensors"))


def test_the_second_time_half_the_work_gives_the_same_bits(
    vgg16_file: Path, pair: tuple[Tensor, Tensor], cache: Path
) -> None:
    plain = measure(metric(vgg16_file, None), *pair)
    first = measure(metric(vgg16_file, cache), *pair)
    again = metric(vgg16_file, cache)
    assert (plain, first) == ((plain[0], 14), (plain[0], 14))
    assert measure(again, *pair) == (plain[0], 7)
    assert measure(again, *pair, batch=2) == (pytest.approx(plain[0], rel=1e-6), 7)
    other = noisy_pair((7, 3, 16, 16), noise=20)[1]
    uncached = measure(metric(vgg16_file, None), pair[0], other)[0]
    assert measure(again, pair[0], other) == (uncached, 7)


def test_only_the_same_set_under_the_same_protocol_finds_it(
    vgg16_file: Path, pair: tuple[Tensor, Tensor], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = {"description": "whole", "split": "train", "name": "other", "channels": 1}
    others |= {"image_size": 17}
    sets = [Named(), Named("noise of seed 1"), *(Named(**{k: v}) for k, v in others.items())]
    for images in sets:
        assert measure(metric(vgg16_file, cache), *pair, images)[1] == 14
    frechet = metric(vgg16_file, cache)
    frechet._sha256 = "other weights"
    assert measure(frechet, *pair)[1] == 14
    monkeypatch.setattr("vqx.metrics.frechet.precision_of", lambda device: "tf32")
    assert measure(metric(vgg16_file, cache), *pair)[1] == 14
    assert len(statistics(cache)) == len(sets) + 2


def test_a_set_without_a_fingerprint_or_a_run_without_a_cache_keeps_nothing(
    vgg16_file: Path,
    pair: tuple[Tensor, Tensor],
    cache: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert measure(metric(vgg16_file, cache), *pair, Named(None))[1] == 14
    assert not cache.exists()
    assert capsys.readouterr().out == ""
    uncached = metric(vgg16_file, None)
    measure(uncached, *pair)
    measure(uncached, *pair)
    assert capsys.readouterr().out.count("cache_dir is null") == 1
    real, fake = pair  # nor does an evaluation that left an image out
    measure(metric(vgg16_file, cache), real[1:], fake[1:])
    assert not statistics(cache)


def test_a_cache_that_cannot_be_written_costs_time_alone(
    vgg16_file: Path,
    pair: tuple[Tensor, Tensor],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("no folder")
    frechet = metric(vgg16_file, tmp_path / "file")
    expected = measure(metric(vgg16_file, None), *pair)
    capsys.readouterr()
    assert [measure(frechet, *pair) for _ in range(2)] == [expected] * 2
    assert capsys.readouterr().out.count("cannot be written") == 1


@pytest.mark.parametrize("change", ["pixel", "fewer", "swapped pixels"])
def test_images_that_changed_under_one_fingerprint_are_refused(
    vgg16_file: Path, pair: tuple[Tensor, Tensor], cache: Path, change: str
) -> None:
    real, fake = pair
    measure(metric(vgg16_file, cache), real, fake)
    other = real.clone()
    if change == "pixel":
        other[3, 1, 5, 5] += 1
    elif change == "fewer":
        other, fake = real[1:], fake[1:]
    else:  # the sum over images of each pixel stays
        other[0, 0, 0, 0], other[1, 0, 0, 0] = real[1, 0, 0, 0] + 1, real[0, 0, 0, 0] - 1
    with pytest.raises(DataError, match="delete that file and evaluate again") as error:
        measure(metric(vgg16_file, cache), other, fake)
    assert str(statistics(cache)[0]) in str(error.value)
    statistics(cache)[0].unlink()
    assert measure(metric(vgg16_file, cache), other, fake)[1] == 2 * len(other)


def test_an_evaluation_of_an_unnamed_set_takes_nothing_from_the_one_before(
    vgg16_file: Path, pair: tuple[Tensor, Tensor], cache: Path
) -> None:
    measure(metric(vgg16_file, cache), *pair)
    frechet = metric(vgg16_file, cache)
    measure(frechet, *pair)
    frechet.reset()
    frechet.update(*pair, NO_CODES)  # not started: of no set that is known
    assert frechet._features.seen == 21  # type: ignore[union-attr]
    assert not frechet.reference_is_cached


def test_the_order_of_images_does_not_matter(
    vgg16_file: Path, pair: tuple[Tensor, Tensor], cache: Path
) -> None:
    value = measure(metric(vgg16_file, cache), *pair)[0]
    turned = measure(metric(vgg16_file, cache), pair[0].flip(0), pair[1].flip(0))
    assert turned == (pytest.approx(value, rel=1e-6), 7)


@pytest.mark.parametrize("damage", ["cut", "empty", "bit", "foreign"])
def test_a_damaged_file_is_said_and_replaced(
    vgg16_file: Path,
    pair: tuple[Tensor, Tensor],
    cache: Path,
    capsys: pytest.CaptureFixture[str],
    damage: str,
) -> None:
    expected = measure(metric(vgg16_file, cache), *pair)
    (path,) = statistics(cache)
    content = bytearray(path.read_bytes())
    if damage == "bit":
        content[-5] ^= 1
    elif damage == "foreign":
        measure(metric(vgg16_file, cache), *pair, Named("another set"))
        (other,) = set(statistics(cache)) - {path}
        content = bytearray(other.read_bytes())
    path.write_bytes(content[: {"cut": len(content) // 2, "empty": 0}.get(damage)])
    capsys.readouterr()
    assert measure(metric(vgg16_file, cache), *pair) == expected
    said = capsys.readouterr().out
    assert said.count(str(path)) == said.count("\n") == 1
    assert measure(metric(vgg16_file, cache), *pair) == (expected[0], 7)


def test_the_file_says_what_it_is(
    vgg16_file: Path, pair: tuple[Tensor, Tensor], cache: Path
) -> None:
    from safetensors import safe_open

    measure(metric(vgg16_file, cache), *pair)
    (path,) = statistics(cache)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    protocol = json.loads(metadata["protocol"])
    assert metadata["images"] == "7"
    assert protocol["data"] == "noise test"
    assert protocol["images"] == "uint8 3x16x16, centre crop"
    assert (protocol["device"], protocol["precision"]) == ("cpu", "float32")


def test_siblings_take_the_real_side_from_their_original(
    vgg16_file: Path, pair: tuple[Tensor, Tensor], cache: Path
) -> None:
    real, fake = pair
    other = noisy_pair((7, 3, 16, 16), noise=20)[1]
    expected = [measure(metric(vgg16_file, None), real, x)[0] for x in (fake, other)]
    for shown in (21, 14):  # real, fake, other; then from the cache
        original = metric(vgg16_file, cache)
        twin = original.sibling()
        for each in (original, twin):
            each.reset()
            each.start(Named())
        original.update(real, fake, NO_CODES)
        twin.update(real, other, NO_CODES)
        values = []
        for each in (original, twin):
            each.merge()
            values.append(each.compute()["fd_vgg16"].value)
        assert values == pytest.approx(expected, rel=1e-9)
        assert original._features.seen == shown  # type: ignore[union-attr]


def on_ranks(weights: Path, cache: Path, real: Tensor, fake: Tensor) -> tuple[float, int]:
    part = slice(0, 5) if rank() == 0 else slice(5, None)
    return measure(metric(weights, cache / str(rank())), real[part], fake[part])


def test_ranks_agree_on_what_the_first_of_them_finds(
    two_ranks: GlooPool, vgg16_file: Path, pair: tuple[Tensor, Tensor], cache: Path
) -> None:
    """Each rank has a cache of its own, as nodes may: only one rank's is read and written."""
    expected = measure(metric(vgg16_file, None), *pair)[0]
    first = list(two_ranks(on_ranks, vgg16_file, cache, *pair))
    assert first == [(pytest.approx(expected, rel=1e-6), shown) for shown in (10, 4)]
    assert not (cache / "1").exists()
    again = list(two_ranks(on_ranks, vgg16_file, cache, *pair))
    assert again == [(value, shown // 2) for value, shown in first]
    shutil.copytree(cache / "0", cache / "1")  # as where all ranks share one
    assert list(two_ranks(on_ranks, vgg16_file, cache, *pair)) == again
    changed = pair[0].clone()
    changed[-1] += 1  # on the second rank: both hear of it
    refused = list(two_ranks(refusal, vgg16_file, cache, changed, pair[1]))
    assert str(statistics(cache / "0")[0].name) in refused[0]
    assert "the first rank's reference" in refused[1]


def refusal(weights: Path, cache: Path, real: Tensor, fake: Tensor) -> str:
    with pytest.raises(DataError) as error:
        on_ranks(weights, cache, real, fake)
    return str(error.value)
