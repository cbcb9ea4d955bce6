"""The evaluation pass: hard codes, every image once, the same on any number of ranks."""

import pytest
import torch
import torch.distributed as dist

from tests.training.parts import noise_data, small_tokenizer
from vqx.errors import Interrupted
from vqx.metrics import CodebookUse, ImageErrors
from vqx.quantizers import FSQ, VQ
from vqx.quantizers.base import Quantized, Quantizer
from vqx.quantizers.residual import Residual
from vqx.training.evaluation import SOFT_STAMP, evaluate, reconstruct
from vqx.training.world import World


class Mixture(Quantizer):
    """The decoder is given z itself; its codes say which channel is largest."""

    codebook_size, latent_channels, discrete = 4, 4, False

    def quantize(self, z):
        return Quantized(z, z.argmax(1), z.new_zeros(()))

    def decode(self, codes):
        return torch.nn.functional.one_hot(codes, 4).movedim(-1, 1).float()


def measured(batch_size=3, quantizer=None):
    tokenizer = small_tokenizer(quantizer)
    rank = dist.get_rank() if dist.is_initialized() else 0
    size = dist.get_world_size() if dist.is_initialized() else 1
    world = World(rank, size, torch.device("cpu"))
    sizes = tokenizer.quantizer.codebook_size, tokenizer.quantizer.codebooks
    metrics = [CodebookUse(*sizes), ImageErrors()]
    result = evaluate(tokenizer, noise_data(), metrics, world=world, batch_size=batch_size)
    return result.values, result.counts, result.images


def evaluation_of(quantizer):
    tokenizer = small_tokenizer(quantizer)
    metrics = [CodebookUse(quantizer.codebook_size, quantizer.codebooks), ImageErrors()]
    world = World(0, 1, torch.device("cpu"))
    return tokenizer, evaluate(tokenizer, noise_data(), metrics, world=world, batch_size=3)


def test_a_mixture_is_measured_from_its_codes_and_softly_under_other_keys():
    tokenizer, result = evaluation_of(Mixture())
    tokenizer.eval()
    real = noise_data().evaluation.images
    _, codes = reconstruct(tokenizer, real)
    softly = tokenizer.decoder(tokenizer.encoder(real / 127.5 - 1))
    hard = tokenizer.decoder(tokenizer.quantizer.decode(codes))
    for prefix, fake in (("", hard), ("soft_", softly)):
        rounded = ((fake.clamp(-1, 1) + 1) * 127.5).round()
        error = ((rounded - real) / 255).abs().mean().item()
        assert result.values[f"{prefix}l1"] == pytest.approx(error, rel=1e-4)
    keys = set(result.values) - {"usage", "perplexity", "code_entropy", "bit_entropy"}
    assert {f"soft_{key}" for key in keys if not key.startswith("soft_")} <= keys
    assert "soft_usage" not in result.values
    for key, measurement in result.measurements.items():
        assert (SOFT_STAMP in measurement.stamp) == key.startswith("soft_")
    assert result.measurements["soft_l1"].better == "lower"


def test_soft_numbers_are_those_of_one_rank_too(two_ranks):
    values = measured(quantizer=Mixture())[0]
    for ours, _, _ in two_ranks(measured, 3, Mixture()):
        assert ours == pytest.approx(values, rel=1e-6)


def test_a_discrete_quantizer_has_no_soft_numbers():
    assert not any(key.startswith("soft_") for key in evaluation_of(FSQ([4, 4]))[1].values)


def test_several_codebooks_are_counted_each():
    tokenizer, result = evaluation_of(Residual(VQ(8, 4), 3))
    codes = tokenizer.tokenize(noise_data().evaluation.images / 127.5 - 1)
    expected = [torch.bincount(column.flatten(), minlength=8) for column in codes.unbind(-1)]
    assert torch.equal(result.counts, torch.stack(expected))
    assert result.tokens == 7 * 16


def test_more_codes_than_can_be_counted():
    _, result = evaluation_of(FSQ([2] * 24))
    assert result.counts is None
    assert result.bit_entropies.shape == (1, 24)
    assert "usage" not in result.values
    assert result.values["bit_entropy"] == pytest.approx(result.bit_entropies.mean().item())


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
