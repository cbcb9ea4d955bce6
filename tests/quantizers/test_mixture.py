"""The chunked mixture against float64 with everything in memory; its noise as a distribution."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from vqx.quantizers.mixture import TOKENS, Draw, softmax_mixture


def parts(N, K, D, seed=0):
    """z, weight, bias, codebook, each wanting a gradient."""
    g = torch.Generator().manual_seed(seed)
    shapes = (N, D), (K, D), (K,), (K, D)
    return [torch.randn(shape, generator=g).requires_grad_() for shape in shapes]


def noise(seed, N, K, scores=None):
    """The Gumbel numbers (N, K) of a seed, up to a shift of each row."""
    zeros = torch.zeros(N, K)
    mixture = softmax_mixture(
        zeros, torch.zeros(K, K), zeros[0], torch.eye(K), torch.ones(()), Draw(seed, False, scores)
    )[0]
    return mixture.log()


def slow(z, weight, bias, codebook, temperature, g, hard):
    """One token at a time."""
    mixtures, divergences, codes = [], [], []
    for token, noise_of_token in zip(z, g, strict=True):
        logits = weight @ token + bias
        y = ((logits + noise_of_token) / temperature).softmax(0)
        if hard:
            y = F.one_hot(y.argmax(), len(y)) + y - y.detach()
        p = logits.softmax(0)
        mixtures.append(sum(y_k * entry for y_k, entry in zip(y, codebook, strict=True)))
        divergences.append(sum(p_k * math.log(len(p)) + p_k * p_k.log() for p_k in p))
        codes.append(int(logits.argmax()))
    return torch.stack(mixtures), sum(divergences) / len(z), codes


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("seed", [None, 5])
@pytest.mark.parametrize(("N", "K", "D"), [(TOKENS + 5, 13, 5), (3, 1, 2), (2, 7, 1)])
def test_values_and_gradients_equal_the_slow_version(N, K, D, seed, hard):
    inputs, temperature = parts(N, K, D), torch.tensor(0.4)
    upstream = torch.randn(N, D)
    exact = [x.detach().double().requires_grad_() for x in inputs]
    g = torch.zeros(N, K) if seed is None else noise(seed, N, K, scores=1)

    mixture, divergence, codes = softmax_mixture(*inputs, temperature, Draw(seed, hard, scores=1))
    torch.randn(100)  # backward must not depend on what is drawn in between
    actual = torch.autograd.grad((mixture * upstream).sum() + 3 * divergence, inputs)
    slow_mixture, slow_divergence, slow_codes = slow(*exact, 0.4, g.double(), hard)
    objective = (slow_mixture * upstream).sum() + 3 * slow_divergence
    expected = torch.autograd.grad(objective, exact)

    close = {"rtol": 1e-4, "atol": 1e-5, "check_dtype": False}
    torch.testing.assert_close(mixture, slow_mixture, **close)
    torch.testing.assert_close(divergence, slow_divergence, **close)
    assert codes.tolist() == slow_codes
    for ours, theirs in zip(actual, expected, strict=True):
        torch.testing.assert_close(ours, theirs, **close)


def test_each_output_has_a_gradient_by_itself():
    inputs, temperature = parts(4, 5, 3), torch.ones(())
    outputs = softmax_mixture(*inputs, temperature, Draw(1, False))[:2]
    grads = [
        torch.autograd.grad(out.sum(), inputs, retain_graph=True, allow_unused=True)
        for out in (*outputs, outputs[0].sum() + outputs[1])
    ]
    for at_mixture, at_divergence, at_both in zip(*grads, strict=True):
        torch.testing.assert_close(at_mixture + at_divergence, at_both)


def test_noise_is_gumbel():
    # The difference of two Gumbel numbers is logistic.
    pair = noise(3, 300_000, 2)
    x = (pair[:, 0] - pair[:, 1]).double().sort().values
    empirical = torch.arange(1, len(x) + 1) / len(x)
    assert (empirical - x.sigmoid()).abs().max() < 1.63 / math.sqrt(len(x))  # 1 % of all seeds
    for far in (7, 9, 11, 14):  # coarse numbers would have too many or too few beyond
        expected = 2 * len(x) * math.exp(-far)
        assert abs((x.abs() > far).sum() - expected) < 4 * math.sqrt(expected)


def test_noise_does_not_repeat_within_a_call():
    rows = noise(3, 4 * TOKENS, 3, scores=1)
    assert len(rows.unique(dim=0)) == len(rows)
    rows = rows - rows.mean(1, keepdim=True)
    assert abs(torch.corrcoef(torch.stack([rows[1:, 0], rows[:-1, 0]]))[0, 1]) < 0.35
    assert not torch.equal(noise(3, 4, 3), noise(4, 4, 3))


def test_hard_codes_are_samples_of_the_softmax():
    logits = torch.tensor([0.0, 1.0, -1.0, 2.0, 0.5])
    N, codebook = 40_000, torch.arange(5.0)[:, None]
    sampled = softmax_mixture(
        torch.ones(N, 1),
        logits[:, None],
        torch.zeros(5),
        codebook,
        torch.tensor(0.1),
        Draw(7, True),
    )[0]
    share = sampled.flatten().long().bincount() / N
    torch.testing.assert_close(share, logits.softmax(0), rtol=0, atol=0.01)


def test_uniform_and_certain_tokens_have_known_divergence():
    for height, expected in ((0.0, 0.0), (1e4, math.log(6))):
        logits = height * F.one_hot(torch.tensor([2, 5]), 6).float()
        divergence = softmax_mixture(
            logits, torch.eye(6), torch.zeros(6), torch.eye(6), torch.ones(()), Draw(None, True)
        )[1]
        assert divergence.item() == pytest.approx(expected, abs=1e-6)


def test_a_tie_goes_to_the_lowest_code():
    z = torch.randint(0, 3, (200, 9)).float()
    eye, zeros = torch.eye(9), torch.zeros(9)
    expected = [row.index(max(row)) for row in z.tolist()]
    hard = softmax_mixture(z, eye, zeros, eye, torch.ones(()), Draw(None, True))
    assert hard[2].tolist() == expected
    assert hard[0].argmax(1).tolist() == expected


def test_nan_gives_a_code_in_range_and_a_nan_divergence():
    z, weight, bias, codebook = parts(2, 3, 2)
    z = torch.full_like(z, torch.nan)
    out = softmax_mixture(z, weight, bias, codebook, torch.ones(()), Draw(1, True))
    assert out[1].isnan()
    assert out[2].max() < 3


class _Largest(TorchDispatchMode):
    """The most elements of any tensor that an operation returns."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for x in out if isinstance(out, tuple | list) else [out]:
            if isinstance(x, torch.Tensor):
                self.elements = max(self.elements, x.numel())
        return out


@pytest.mark.parametrize("hard", [False, True])
def test_logits_of_all_tokens_are_never_held(hard):
    N, K = 500, 60
    inputs = parts(N, K, 3)
    with _Largest() as largest:
        draw = Draw(1, hard, scores=2048)
        mixture, divergence, _ = softmax_mixture(*inputs, torch.ones(()), draw)
        (mixture.sum() + divergence).backward()
    assert N * 3 < largest.elements <= 2048
