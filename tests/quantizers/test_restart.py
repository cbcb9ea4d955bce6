"""Dead codes: which they are, where they go, and that they stay there."""

import pytest
import torch

from tests.quantizers.cases import latents, make, seeded
from vqx.errors import ConfigError
from vqx.quantizers import EMA, VQ, Restart
from vqx.quantizers.base import to_rows


def _restart(K, **arguments):
    restart = Restart(**arguments)
    restart.attach(K)
    return restart


def _step(restart, counts, rows=None):
    restart.observe(torch.randn(50, 2) if rows is None else rows)
    moves = restart.step(
        torch.tensor(counts), lambda: torch.randn(len(counts), 2), generator=seeded()
    )
    return moves and (moves.codes, moves.vectors)


def test_a_code_is_dead_below_the_fraction_of_the_mean_count():
    counts = [400, 27, 29, 544, 0]  # mean 200
    dead, _ = _step(_restart(5, interval=1, threshold=0.14), counts)
    assert dead.tolist() == [1, 4]


def test_usage_is_that_of_the_whole_window():
    restart = _restart(3, interval=3, threshold=0.1)
    assert _step(restart, [100, 50, 0]) is None
    assert _step(restart, [100, 0, 0]) is None
    dead, _ = _step(restart, [100, 0, 0])
    assert dead.tolist() == [2]
    assert restart.usage.tolist() == [0, 0, 0]


def test_the_window_stays_open_until_it_has_seen_enough():
    restart = _restart(100, interval=2, threshold=0.05)  # wants 20 sightings a code
    counts = [0] + [1] * 99
    closed = [step for step in range(1, 61) if _step(restart, counts) is not None]
    assert closed == [22, 44]


def test_all_alive_restarts_nothing():
    assert _step(_restart(3, interval=1), [50, 60, 40]) is None


def test_dead_codes_become_distinct_latents_of_this_step():
    restart, rows = _restart(40, interval=2), torch.randn(500, 2)
    _step(restart, [1000] + [0] * 39)
    dead, vectors = _step(restart, [1000] + [0] * 39, rows)
    assert dead.tolist() == list(range(1, 40))
    distance, origin = (vectors[:, None] - rows).abs().amax(2).min(1)
    assert (distance == 0).all()
    assert len(origin.unique()) == 39


def test_latents_are_kept_only_in_steps_that_may_restart():
    restart = _restart(3, interval=3)
    kept = []
    for _ in range(7):
        restart.observe(torch.randn(4, 2))
        kept.append(len(restart._candidates))
        restart.step(torch.tensor([100, 100, 100]), lambda: torch.randn(3, 2))
        assert not restart._candidates
    assert kept == [0, 0, 1, 0, 0, 1, 0]


def test_policy_none_does_nothing():
    restart = _restart(2, policy="none", interval=1)
    assert all(_step(restart, [100, 0]) is None for _ in range(3))
    assert not restart._candidates


@pytest.mark.parametrize("kind", ["vq", "ema"])
def test_restarted_codes_survive_the_next_step_and_are_used(kind):
    arguments = {"init": "normal"} if kind == "vq" else {"ema_init": "ones"}
    quantizer = make(kind, {"interval": 4}, **arguments)
    z = latents(32)
    seen = []
    for _ in range(4):
        seen.append(quantizer(z).codes)
        quantizer.update_codebook(generator=seeded(1))
    dead = ~torch.isin(torch.arange(24), torch.stack(seen))
    assert dead.sum() > 5
    placed = quantizer.codebook[dead].detach().clone()
    assert (placed[:, None] == to_rows(z)).all(2).any(1).all()
    assert torch.isin(dead.nonzero()[:, 0], quantizer(z).codes).all()
    quantizer.update_codebook()
    moved = (quantizer.codebook[dead] - placed).norm(dim=1) / placed.norm(dim=1)
    assert moved.max() < 0.2


def test_ema_restart_sets_counts_and_sums_too():
    quantizer = make("ema", {"interval": 1, "threshold": 0.2}, ema_init="zeros")
    quantizer(latents(32))
    quantizer.update_codebook()
    torch.testing.assert_close(
        quantizer.sums, quantizer.codebook * quantizer.counts[:, None], rtol=1e-3, atol=1e-3
    )


def test_gradients_and_optimizer_state_stay_usable():
    quantizer = VQ(64, 4, restart=Restart(interval=2))
    optimizer = torch.optim.AdamW(quantizer.parameters(), lr=1e-2)
    z = torch.randn(8, 4, 8, 8)
    parameter = quantizer.codebook
    for step in range(20):
        loss = quantizer(z).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        quantizer.update_codebook(generator=seeded(step))
    assert quantizer.codebook is parameter
    assert len(quantizer(z).codes.unique()) > 0.95 * 64


@pytest.mark.parametrize("kind", ["vq", "ema"])
def test_a_codebook_that_would_collapse_lives(kind):
    """Latents far from the first codebook: without restart one or two codes take all."""
    usage = {}
    for name, restart in (("dead", None), ("alive", {"interval": 2})):
        quantizer = make(kind, restart, **({"ema_init": "zeros"} if kind == "ema" else {}))
        for step in range(30):
            quantizer(10 + latents(16, seed=step))
            quantizer.update_codebook(generator=seeded(step))
        usage[name] = len(quantizer(10 + latents(100)).codes.unique()) / 24
    assert usage["dead"] < 0.3
    assert usage["alive"] > 0.95


def test_a_large_codebook_is_not_churned(monkeypatch):
    """Half a token a code and step: what a short window happens to miss is left alone."""
    quantizer, g, placed = EMA(512, 2, restart=Restart(interval=5)), seeded(), []
    quantizer.initialize(torch.randn(64, 2, 8, 8, generator=g), generator=g)
    dead = torch.arange(8)
    quantizer.place(dead, torch.full((8, 2), 1e3), count=torch.ones(()), share=torch.ones(()))
    place = quantizer.place

    def recording(codes, vectors, **how):
        placed.extend(codes.tolist())
        place(codes, vectors, **how)

    monkeypatch.setattr(quantizer, "place", recording)
    for _ in range(150):
        quantizer(torch.randn(4, 2, 8, 8, generator=g))
        quantizer.update_codebook(generator=g)
    assert set(dead.tolist()) <= set(placed)
    assert len(placed) < 40


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"policy": "copies"}, "restart policy 'copies'"),
        ({"interval": 0}, "restart.interval must be steps or like '2 epochs'; got 0"),
        ({"threshold": 0.0}, "restart.threshold"),
        ({"threshold": 1.0}, "restart.threshold"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ConfigError, match=message):
        Restart(**arguments)
