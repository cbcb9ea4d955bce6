"""Codebook x start x distance x estimator x restart: every combination keeps the contracts."""

from itertools import product

import pytest
import torch

from tests.quantizers.cases import assert_same_state, seeded, train
from vqx.errors import ConfigError
from vqx.quantizers import EMA, VQ, Restart, SimVQ, check_contracts

CODEBOOKS = {"vq": VQ, "ema": EMA, "simvq": SimVQ}
INITS = ["uniform", "normal", "batch", "kmeans"]
DISTANCES = ["euclidean", "cosine"]
ESTIMATORS = ["ste", "rotation"]
POLICIES = ["none", "usage_copies", "batch_vectors", "cvq"]


def _made(kind, init, distance, estimator, policy):
    restart = Restart(policy, interval=2, threshold=0.3)
    torch.manual_seed(5)
    return CODEBOOKS[kind](
        24, 6, init=init, distance=distance, estimator=estimator, restart=restart
    )


@pytest.mark.parametrize("kind", CODEBOOKS)
@pytest.mark.parametrize("init", INITS)
def test_every_combination_keeps_the_contracts(kind, init):
    for switches in product(DISTANCES, ESTIMATORS, POLICIES):
        check_contracts(_made(kind, init, *switches), device="cpu", tokens=64)


def _trained(switches):
    """State after 5 steps of this rank's share in two micro-batches, and the last step's loss."""
    quantizer = _made(*switches)
    state = train(quantizer, 5, accumulation=2, batch=16)
    return state


# Every pair of values of two switches occurs in one of these.
PAIRWISE = [
    (kind, INITS[(i + j) % 4], DISTANCES[(i + j // 2) % 2], ESTIMATORS[j % 2], POLICIES[j])
    for i, kind in enumerate(CODEBOOKS)
    for j in range(4)
]


@pytest.mark.parametrize("switches", PAIRWISE, ids="-".join)
def test_two_ranks_equal_one(two_ranks, switches):
    expected = train(_made(*switches), 5, batch=16)
    first, second = two_ranks(_trained, switches)
    assert_same_state(first, expected)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
@pytest.mark.parametrize("switches", PAIRWISE[::4], ids="-".join)
def test_four_ranks_equal_one(four_ranks, switches):
    expected = train(_made(*switches), 5, batch=16)
    for state in four_ranks(_trained, switches):
        assert_same_state(state, expected)


@pytest.mark.parametrize("kind", CODEBOOKS)
def test_rotation_changes_the_gradient_and_nothing_else(kind):
    z, upstream = torch.randn(2, 6, 4, 4), torch.randn(2, 6, 4, 4)
    results = {}
    for estimator in ESTIMATORS:
        quantizer, leaf = _made(kind, "normal", "euclidean", estimator, "none"), z.clone()
        out = quantizer(leaf.requires_grad_())
        (gradient,) = torch.autograd.grad(out.latents, leaf, upstream)
        results[estimator] = out.latents, out.codes, out.loss, gradient
    for ste, rotation in list(zip(results["ste"], results["rotation"], strict=True))[:3]:
        assert torch.equal(ste, rotation)
    assert torch.equal(results["ste"][3], upstream)
    assert not torch.allclose(results["rotation"][3], upstream, rtol=0.1)


@pytest.mark.parametrize("kind", CODEBOOKS)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"distance": "dot"}, "distance 'dot': use one of euclidean, cosine"),
        ({"estimator": "gumbel"}, "estimator 'gumbel': use one of ste, rotation"),
        ({"init": "some"}, "init 'some': use one of uniform, normal, batch, kmeans"),
        ({"codebook_size": 0}, "codebook_size 0"),
    ],
)
def test_an_unknown_value_is_named(kind, arguments, message):
    with pytest.raises(ConfigError, match=message):
        CODEBOOKS[kind](**{"codebook_size": 8, "latent_channels": 4, **arguments})


def test_reset_parameters_draws_anew():
    torch.manual_seed(0)
    for kind in CODEBOOKS:
        quantizer = _made(kind, "normal", "euclidean", "ste", "none")
        before = quantizer.entries().detach().clone()
        quantizer.reset_parameters()
        assert ((quantizer.entries() - before).norm(dim=1) > 0).all()
        if kind == "ema":
            assert torch.equal(quantizer.sums, quantizer.codebook)


def test_a_start_from_data_ignores_how_the_batch_is_split(two_ranks):
    switches = ("ema", "kmeans", "cosine", "ste", "none")
    expected = _made(*switches)
    z = torch.randn(8, 6, 4, 4, generator=seeded(3))
    expected.initialize(z, generator=seeded())
    for codebook in two_ranks(_initialized, switches):
        torch.testing.assert_close(codebook, expected.codebook, rtol=1e-4, atol=1e-5)


def _initialized(switches):
    from vqx.collectives import rank, world_size

    z = torch.randn(8, 6, 4, 4, generator=seeded(3))
    quantizer = _made(*switches)
    quantizer.initialize(z.chunk(world_size())[rank()], generator=seeded())
    return quantizer.codebook
