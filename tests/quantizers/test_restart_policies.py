"""usage_copies and cvq by their definitions; intervals in epochs; what ranks agree on."""

import math
from itertools import product

import pytest
import torch

from tests.quantizers.cases import assert_same_state, latents, make, seeded, train_case
from vqx.errors import ConfigError
from vqx.quantizers import Restart

SETTINGS = {"interval": 2, "threshold": 0.3}


def _attached(codebook_size, **arguments):
    restart = Restart(**arguments)
    restart.attach(codebook_size)
    return restart


def test_copies_are_of_living_codes_drawn_by_usage():
    restart, entries = _attached(1000, policy="usage_copies", interval=1), torch.randn(1000, 4)
    counts = torch.zeros(1000, dtype=torch.int64)
    counts[:2] = torch.tensor([30_000, 10_000])
    moves = restart.step(counts, lambda: entries, generator=seeded())
    assert moves.codes.tolist() == list(range(2, 1000))
    distance, origin = (moves.vectors[:, None] - entries[:2]).norm(dim=2).min(1)
    assert distance.min() > 0  # of two equal codes the second would never be nearest
    assert distance.max() < 0.05
    assert (origin == 0).float().mean().item() == pytest.approx(0.75, abs=0.05)
    assert not restart.collecting


def test_a_copy_shares_the_tokens_of_its_original():
    quantizer = make("ema", {"policy": "usage_copies", "interval": 1}, ema_init="ones")
    quantizer.restart.threshold = 0.2
    z = latents(64)
    before = len(quantizer(z).codes.unique())
    quantizer.update_codebook(generator=seeded())
    assert len(quantizer.eval()(z).codes.unique()) > before + 2


def test_cvq_moves_each_code_by_what_its_usage_leaves():
    restart, K = _attached(4, policy="cvq", interval=1), 4
    counts = torch.tensor([1000, 0, 1, 5])
    rows, entries = torch.randn(50, 3), torch.randn(4, 3)
    running = [0.0] * 4
    for _ in range(3):
        restart.observe(rows)
        moves = restart.step(counts, lambda: entries, generator=seeded())
        running = [
            0.99 * r + 0.01 * c / 1006 for r, c in zip(running, counts.tolist(), strict=True)
        ]
    expected = {k: math.exp(-10 * K * r / 0.01 - 1e-3) for k, r in enumerate(running)}
    assert moves.codes.tolist() == [1, 2, 3]  # the much used code stays
    assert expected[0] < 1e-6
    assert expected[1] > 0.99
    wanted = [expected[code] for code in moves.codes.tolist()]
    assert moves.share.tolist() == pytest.approx(wanted, rel=1e-3)
    assert (moves.vectors[:, None] == rows).all(2).any(1).all()  # anchors are latents


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_cvq_replaces_a_dead_code_with_its_counts_and_leaves_a_living_one(distance):
    z, states = latents(64), {}
    for policy in ("none", "cvq"):
        restart = {"policy": policy, "interval": 1}
        quantizer = make("ema", restart, init="normal", distance=distance)
        codes, counts = quantizer(z).codes.flatten().unique(return_counts=True)
        quantizer.update_codebook(generator=seeded())
        states[policy] = quantizer
    living, plain = codes[counts > 20], states["none"]
    dead = ~torch.isin(torch.arange(24), codes)
    assert dead.any()
    assert len(living) > 2
    for name in ("codebook", "counts", "sums"):
        moved, still = getattr(quantizer, name), getattr(plain, name)
        assert torch.equal(moved[living], still[living]), name
    assert (quantizer.codebook[dead] - plain.codebook[dead]).norm(dim=1).min() > 0.05
    assert quantizer.counts[dead].min() > 5  # near the mean count of 32, no longer 1
    expected = quantizer.codebook * quantizer.counts[:, None]
    torch.testing.assert_close(quantizer.sums[dead], expected[dead], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("policy", ["batch_vectors", "usage_copies", "cvq"])
def test_a_due_step_without_tokens_leaves_the_window_open(policy):
    quantizer = make("vq", {"policy": policy, "interval": 2}, init="normal")
    quantizer(latents(64))
    quantizer.update_codebook(generator=seeded())
    before = quantizer.codebook.clone()
    quantizer.update_codebook(generator=seeded())  # due, but nothing was seen
    assert torch.equal(quantizer.codebook, before)
    assert quantizer.restart.usage.sum() == 64 * 12


# A copy of a gradient codebook's entry needs gradients to part from its original.
@pytest.mark.parametrize(
    ("kind", "policy"),
    [*product(("vq", "ema", "simvq"), ("batch_vectors", "cvq")), ("ema", "usage_copies")],
)
def test_every_policy_brings_a_codebook_back(kind, policy):
    usage = {}
    for name in ("none", policy):
        arguments = {"ema_init": "zeros"} if kind == "ema" else {}
        quantizer = make(kind, {"policy": name, "interval": 2}, **arguments)
        for step in range(30):
            quantizer(10 + latents(16, seed=step))
            quantizer.update_codebook(generator=seeded(step))
        usage[name] = len(quantizer(10 + latents(100)).codes.unique()) / 24
    assert usage["none"] < 0.3
    assert usage[policy] > 0.7


@pytest.mark.parametrize("kind", ["vq", "ema", "simvq"])
@pytest.mark.parametrize("policy", ["usage_copies", "cvq"])
def test_two_ranks_and_micro_batches_equal_one(two_ranks, kind, policy):
    case = (kind, {"policy": policy, **SETTINGS}, {"init": "normal"})
    expected = train_case(*case, 6, 1)
    assert_same_state(train_case(*case, 6, 4), expected)
    first, second = two_ranks(train_case, *case, 6, 2)
    assert_same_state(first, expected)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_an_interval_in_epochs_needs_their_length():
    quantizer = make("vq", {"interval": "2 epochs"})
    quantizer(latents(1))
    with pytest.raises(ConfigError, match=r"restart.interval='2 epochs': call set_epoch_length"):
        quantizer.update_codebook()
    quantizer.set_epoch_length(3)
    collecting = []
    for _ in range(12):
        collecting.append(quantizer.restart.collecting)
        quantizer(latents(1))
        quantizer.update_codebook(generator=seeded())
    assert [i for i, now in enumerate(collecting) if now] == [5, 11]
