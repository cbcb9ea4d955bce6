"""Files of an evaluation: what tables read of a run without torch."""

import numpy as np
import pytest
import torch
import torch.distributed as dist

from tests.training.parts import noise_data, small_tokenizer
from vqx.metrics import CodebookUse, ImageErrors
from vqx.quantizers import FSQ, VQ
from vqx.quantizers.entries import codebook_entries
from vqx.quantizers.residual import Residual
from vqx.runs.folder import RunFolder
from vqx.training.evaluation import evaluate
from vqx.training.evaluation_files import write_evaluation_files
from vqx.training.world import World


def evaluation_of(quantizer, data=None, batch_size=3):
    tokenizer = small_tokenizer(quantizer)
    metrics = [CodebookUse(quantizer.codebook_size, quantizer.codebooks), ImageErrors()]
    rank = dist.get_rank() if dist.is_initialized() else 0
    size = dist.get_world_size() if dist.is_initialized() else 1
    world = World(rank, size, torch.device("cpu"))
    return evaluate(tokenizer, data or noise_data(), metrics, world=world, batch_size=batch_size)


def written(quantizer, tmp_path, **options):
    evaluation = evaluation_of(quantizer, **options)
    write_evaluation_files(evaluation, quantizer, RunFolder(tmp_path))
    with np.load(tmp_path / "per_image.npz", allow_pickle=False) as file:
        images = dict(file)
    with np.load(tmp_path / "codebook.npz", allow_pickle=False) as file:
        return evaluation, images, dict(file)


def test_images_one_by_one_have_the_means_of_the_metrics(tmp_path):
    evaluation, images, _ = written(FSQ([5, 5, 3]), tmp_path)
    assert set(images) == {"l1", "l2", "psnr", "ssim", "images"}
    for key in ("l1", "l2", "psnr", "ssim"):
        assert images[key].shape == (7,)
        assert images[key].dtype == np.float32
        assert images[key].mean() == pytest.approx(evaluation.values[key], rel=1e-5)
    alone = noise_data()
    alone.evaluation.images = alone.evaluation.images[4:5]
    assert evaluation_of(FSQ([5, 5, 3]), alone).values["psnr"] == pytest.approx(images["psnr"][4])


def values_and_digest():
    evaluation = evaluation_of(FSQ([5, 5, 3]))
    return {k: v.tolist() for k, v in evaluation.per_image.items()}, evaluation.images_digest


def test_two_ranks_give_the_images_in_the_order_of_one(two_ranks):
    values, digest = values_and_digest()
    for ours, our_digest in two_ranks(values_and_digest):
        assert our_digest == digest
        for key, expected in values.items():
            assert ours[key] == pytest.approx(expected, rel=1e-5)


def test_the_digest_knows_the_images_and_their_order_not_the_batches():
    digest = evaluation_of(FSQ([5, 5, 3])).images_digest
    assert evaluation_of(FSQ([5, 5, 3]), batch_size=50).images_digest == digest
    turned, brighter = noise_data(), noise_data()
    turned.evaluation.images = turned.evaluation.images.flip(0)
    brighter.evaluation.images = brighter.evaluation.images.clone()
    brighter.evaluation.images[3, 0, 0, 0] ^= 1
    for other in (turned, brighter):
        assert evaluation_of(FSQ([5, 5, 3]), other).images_digest != digest


@pytest.mark.parametrize("quantizer", [FSQ([5, 5, 3]), Residual(VQ(8, 4), 3)])
def test_counts_and_entries_of_each_codebook(quantizer, tmp_path):
    evaluation, _, codebook = written(quantizer, tmp_path)
    np.testing.assert_array_equal(codebook["counts"], evaluation.counts.numpy())
    assert codebook["codes"].tolist() == list(range(quantizer.codebook_size))
    for index in range(quantizer.codebooks):
        expected = codebook_entries(quantizer, index).numpy()
        np.testing.assert_array_equal(codebook["entries"][index], expected)


def test_of_too_many_codes_there_are_digits_and_some_entries(tmp_path):
    _, _, codebook = written(FSQ([2] * 24), tmp_path)
    assert "counts" not in codebook
    assert codebook["bit_entropies"].shape == (1, 24)
    assert codebook["entries"].shape == (1, 2**18 // 24, 24)
    assert codebook["codes"][-1] > 2**24 - 2**24 // 10_000


def test_the_same_evaluation_writes_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        written(FSQ([5, 5, 3]), tmp_path / name)
    for name in ("per_image.npz", "codebook.npz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
