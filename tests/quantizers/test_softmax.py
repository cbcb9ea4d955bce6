"""The chunked softmax against one token at a time in float64, and what it holds in memory."""

import math

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from tests.quantizers.cases import seeded
from vqx.quantizers.nearest import best_codes, scores_held
from vqx.quantizers.softmax import ROWS, softmax_mixture, softmax_statistics


def _reference(z, codebook, bias, scale, statistics_scale):
    """p E (N, D) at one scale; mean entropy and mean p at another; one token at a time."""
    mixture, entropy, mean = [], 0, 0
    for token in z:
        scores = torch.stack([token @ entry for entry in codebook]) + bias
        mixture.append((scale * scores).softmax(0) @ codebook)
        log_p = (statistics_scale * scores).log_softmax(0)
        entropy = entropy - (log_p.exp() * log_p).sum() / len(z)
        mean = mean + log_p.exp() / len(z)
    return torch.stack(mixture), entropy, mean


def _inputs(N, K, D, seed=0):
    g = seeded(seed)
    return [torch.randn(shape, generator=g) for shape in ((N, D), (K, D), (K,))]


def _results(function, inputs, weights, dtype):
    """Outputs, and the gradient of a random linear function of them for each input."""
    leaves = [x.to(dtype).requires_grad_() for x in inputs]
    out = function(*leaves)
    out = out[: len(weights)]  # and codes
    loss = sum((x * w.to(dtype)).sum() for x, w in zip(out, weights, strict=True))
    return [*out, *torch.autograd.grad(loss, leaves)]


@settings(max_examples=30, deadline=None)
@given(
    N=st.integers(1, 80),
    K=st.integers(1, 30),
    D=st.sampled_from([1, 3, 40]),
    scale=st.sampled_from([0.3, 1.0, 8.0]),
    statistics_scale=st.sampled_from([1.0, 20.0]),
    scores=st.integers(1, 1200),
)
@example(N=70, K=1, D=1, scale=1.0, statistics_scale=1.0, scores=1)
@example(N=70, K=7, D=40, scale=1.0, statistics_scale=20.0, scores=1)
def test_values_and_gradients_equal_the_slow_version(N, K, D, scale, statistics_scale, scores):
    inputs = _inputs(N, K, D)
    at_mixture, _, at_mean = _inputs(N, K, D, seed=1)
    weights = [at_mixture, torch.tensor(0.7), at_mean]
    expected = _results(
        lambda *x: _reference(*x, scale, statistics_scale), inputs, weights, torch.float64
    )

    def chunked(*x):
        scales = {"scale": scale, "statistics_scale": statistics_scale}
        return softmax_mixture(*x, **scales, scores=scores)

    actual = _results(chunked, inputs, weights, torch.float32)
    _assert_close(actual, expected)

    def statistics(*x):
        return softmax_statistics(*x, scale=statistics_scale, scores=scores)

    def reference(*x):
        return _reference(*x, scale, statistics_scale)[1:]

    alone = _results(statistics, inputs, weights[1:], torch.float32)
    _assert_close(alone, _results(reference, inputs, weights[1:], torch.float64))


def _assert_close(actual, expected):
    for a, b in zip(actual, expected, strict=True):
        size = max(1.0, b.abs().max().item())
        torch.testing.assert_close(a.double(), b, rtol=1e-4, atol=1e-4 * size)


def test_no_bias_is_a_bias_of_nothing():
    z, codebook, bias = _inputs(5, 4, 3)
    expected = softmax_statistics(z, codebook, 0 * bias, scale=2.0)
    assert torch.equal(softmax_statistics(z, codebook, scale=2.0)[1], expected[1])


def test_hard_mixtures_are_entries_with_the_gradient_through_p_alone():
    z, codebook, bias = (x.requires_grad_() for x in _inputs(50, 9, 4))
    upstream = torch.randn(50, 4)
    hard, entropy, mean, codes = softmax_mixture(z, codebook, bias, scale=1.0, hard=True)
    assert torch.equal(codes, best_codes(z, codebook, bias))
    assert torch.equal(hard, codebook[codes])
    assert entropy == 0
    assert not mean.any()
    p = (z @ codebook.T + bias).softmax(1)
    wanted = [z, codebook, bias]
    expected = torch.autograd.grad(p @ codebook.detach(), wanted, upstream)
    actual = torch.autograd.grad(hard, wanted, upstream)
    _assert_close(actual, [x.double() for x in expected])


@pytest.mark.parametrize(("N", "K", "D"), [(5000, 300, 16), (70, 40_000, 3), (9, 1, 1)])
@pytest.mark.parametrize("statistics_scale", [None, 200.0])
def test_codes_are_those_of_the_search(N, K, D, statistics_scale):
    z, codebook, bias = _inputs(N, K, D)
    codebook[K // 2] = codebook[0]  # a tie
    bias[K // 2] = bias[0]
    z[0] = torch.nan
    codes = softmax_mixture(
        z, codebook, bias, scale=2.0, statistics_scale=statistics_scale, hard=True
    )[3]
    assert torch.equal(codes, best_codes(z, codebook, bias))


def test_gradients_are_computed_only_where_wanted():
    z, codebook, bias = _inputs(60, 20, 6)
    wanted = [x.clone().requires_grad_() for x in (z, codebook, bias)]
    softmax_statistics(*wanted, scale=3.0)[0].backward()
    for i, leaf in enumerate(wanted):
        inputs = [z, codebook, bias]
        inputs[i] = inputs[i].clone().requires_grad_()
        with _Largest() as largest:
            softmax_statistics(*inputs, scale=3.0)[0].backward()
        assert torch.equal(inputs[i].grad, leaf.grad)
        assert largest.products == 2 + (i < 2)


@pytest.mark.parametrize("size", [300.0, 1e6])
def test_far_and_cold_gives_certain_codes_and_no_nan(size):
    z, codebook, _ = (size * x for x in _inputs(40, 12, 6))
    z.requires_grad_(), codebook.requires_grad_()
    bias = codebook.square().sum(1) / -2
    entropy, mean, _ = softmax_statistics(z, codebook, bias, scale=200.0, scores=1)
    (entropy + mean @ torch.randn(12)).backward()
    nearest = torch.cdist(z, codebook).argmin(1)
    torch.testing.assert_close(mean, torch.bincount(nearest, minlength=12) / 40)
    assert entropy.item() == pytest.approx(0, abs=1e-6)
    for gradient in (z.grad, codebook.grad):
        assert gradient.abs().max() < 1e-6  # and so not NaN


def test_entropy_and_gradient_are_exact_where_the_scores_are_large():
    """Two equal codes of score 2e6 and a worse one: ln 2, and a gradient from the mean alone."""
    z, codebook = torch.full((7, 1), 100.0), torch.tensor([[200.0], [200.0], [100.0]])
    bias = torch.zeros(3, requires_grad=True)
    entropy, mean, _ = softmax_statistics(z, codebook, bias, scale=100.0)
    assert entropy.item() == pytest.approx(math.log(2), abs=1e-6)
    (entropy + mean[0]).backward()
    torch.testing.assert_close(bias.grad, torch.tensor([25.0, -25.0, 0.0]))


class _Largest(TorchDispatchMode):
    """Notes the most elements of any tensor that an operation returns, and counts products."""

    elements = 0
    products = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        self.products += "mm" in func.__name__
        for x in out if isinstance(out, tuple | list) else (out,):
            if isinstance(x, torch.Tensor):
                self.elements = max(self.elements, x.numel())
        return out


@pytest.mark.parametrize(("K", "scores"), [(50, 50 * 40), (50, 1), (1000, 1)])
def test_never_holds_more_than_it_says(K, scores):
    inputs = [x.requires_grad_() for x in _inputs(500, K, 3)]
    with _Largest() as largest:
        mixture, entropy, mean, _ = softmax_mixture(
            *inputs, scale=1.0, statistics_scale=9.0, hard=True, scores=scores
        )
        (mixture.sum() + entropy + mean[0]).backward()
    assert largest.elements <= max(scores, ROWS * K)


def test_as_much_is_held_by_default_as_in_the_search():
    K = 1000
    with _Largest() as largest:
        softmax_statistics(*_inputs(2000, K, 1), scale=1.0)
    assert scores_held(torch.device("cpu")) - K < largest.elements
    assert largest.elements <= scores_held(torch.device("cpu"))


@pytest.mark.parametrize("backward_too", [False, True])
def test_autocast_changes_nothing(backward_too):
    def run(**autocast):
        leaves = [x.requires_grad_() for x in _inputs(90, 20, 16)]
        with torch.autocast("cpu", dtype=torch.bfloat16, **autocast):
            out = softmax_mixture(*leaves, scale=1.0, statistics_scale=9.0)
            loss = out[0].square().sum() + out[1] + out[2].square().sum()
            if backward_too:
                loss.backward()
        if not backward_too:
            loss.backward()
        return [*out, *(x.grad for x in leaves)]

    for a, b in zip(run(), run(enabled=False), strict=True):
        assert a.dtype in (torch.float32, torch.int64)
        assert torch.equal(a, b)


def test_no_probability_is_denormal():
    """Such numbers slow products down manyfold on some processors."""
    _, p, _ = softmax_statistics(torch.ones(1, 1), -torch.linspace(0, 200, 50)[:, None], scale=1.0)
    assert p.min() >= torch.finfo(torch.float32).tiny


def test_strides_change_nothing():
    z, codebook, bias = _inputs(60, 20, 6)
    expected = softmax_statistics(z, codebook, bias, scale=3.0)
    strided = torch.empty(6, 120).T[::2].copy_(z)
    for a, b in zip(softmax_statistics(strided, codebook, bias, scale=3.0), expected, strict=True):
        torch.testing.assert_close(a, b)


def test_a_nan_token_makes_the_statistics_nan():
    z, codebook, bias = _inputs(60, 20, 6)
    z[3, 2] = torch.nan
    entropy, mean, _ = softmax_statistics(z, codebook, bias, scale=3.0)
    assert entropy.isnan()
    assert mean.isnan().all()
