"""The evaluation pass: hard codes, every image once, the same on any number of ranks."""

import pytest
import torch
import torch.distributed as dist

from tests.training.parts import noise_data, small_tokenizer
from vqx.errors import Interrupted
from vqx.metrics import CodebookUse, ImageErrors
from vqx.training.evaluation import evaluate, reconstruct
from vqx.training.world import World


def measured(batch_size=3):
    tokenizer = small_tokenizer()
    rank = dist.get_rank() if dist.is_initialized() else 0
    size = dist.get_world_size() if dist.is_initialized() else 1
    world = World(rank, size, torch.device("cpu"))
    metrics = [CodebookUse(75), ImageErrors()]
    result = evaluate(tokenizer, noise_data(), metrics, world=world, batch_size=batch_size)
    return result.values, result.counts, result.images


def test_two_ranks_and_an_odd_number_of_images_give_the_numbers_of_one(two_ranks):
    values, counts, images = measured()
    assert images == 7
    assert counts.sum() == 7 * 16
    for ours, our_counts, our_images in two_ranks(measured):
        assert torch.equal(our_counts, counts)
        assert our_images == 7
        assert ours == pytest.approx(values, rel=1e-6)


def test_the_batch_size_changes_no_number():
    small, large = measured(batch_size=2), measured(batch_size=50)
    assert small[0] == pytest.approx(large[0], rel=1e-6)


def test_reconstructions_are_made_from_codes_alone():
    tokenizer = small_tokenizer().eval()
    images = noise_data().evaluation.images
    fake, codes = reconstruct(tokenizer, images)
    assert fake.dtype == torch.uint8
    again = tokenizer.detokenize(codes)
    assert torch.equal(fake, ((again.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8))


def test_the_mode_of_the_tokenizer_is_put_back():
    tokenizer = small_tokenizer().train()
    world = World(0, 1, torch.device("cpu"))
    evaluate(tokenizer, noise_data(), [CodebookUse(75)], world=world, batch_size=4)
    assert tokenizer.training


def test_a_stop_request_is_heard_between_batches():
    def stop():
        raise Interrupted("stopped", signal_number=15)

    world = World(0, 1, torch.device("cpu"))
    arguments = {"world": world, "batch_size": 4, "check_stop": stop}
    with pytest.raises(Interrupted):
        evaluate(small_tokenizer(), noise_data(), [CodebookUse(75)], **arguments)
