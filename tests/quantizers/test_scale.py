"""Large codebooks: bounded memory, and entries that no start leaves equal."""

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from tests.quantizers.cases import seeded
from vqx.quantizers import EMA, VQ, SimVQ
from vqx.quantizers.kmeans import kmeans
from vqx.quantizers.nearest import SCORES, nearest_codes

LARGEST = 262_144


def _peak_bytes(call):
    """Most bytes that torch holds at once in `call`, beyond those held before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call()
    held = peak = 0
    for event in sorted(profiler.events(), key=lambda event: event.time_range.start):
        if event.name == "[memory]":
            held += event.cpu_memory_usage
            peak = max(peak, held)
    return peak


@pytest.mark.parametrize("tokens", [1_000, 4_000])
def test_search_among_262144_codes_holds_what_it_says(tokens):
    z, codebook = torch.randn(tokens, 8), torch.randn(LARGEST, 8)
    peak = _peak_bytes(lambda: nearest_codes(z, codebook))
    assert peak < 4 * (1.1 * SCORES + 2 * LARGEST)  # scores, |E|^2 / 2 and small change
    assert peak < tokens * LARGEST * 4 / 100  # N x K would be 1 GB


@pytest.mark.slow
@pytest.mark.parametrize("cls", [VQ, EMA, SimVQ])
@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_a_step_with_262144_codes(cls, distance):
    width = 4
    quantizer = cls(LARGEST, width, init="normal", distance=distance)
    z = torch.randn(2, width, 16, 16, requires_grad=True)

    def step():
        out = quantizer(z)
        (out.loss + out.latents.sum()).backward()
        quantizer.update_codebook(generator=seeded())

    step()
    table = LARGEST * width * 4
    assert _peak_bytes(step) < 4 * SCORES + 8 * LARGEST + 6 * table
    codes = quantizer.eval()(z).codes
    rows = quantizer.compared(z).detach().movedim(1, -1).reshape(-1, width)
    sample = torch.randperm(len(rows), generator=seeded())[:20]
    expected = torch.cdist(rows[sample].double(), quantizer.entries().double()).argmin(1)
    assert torch.equal(codes.flatten()[sample], expected)


@pytest.mark.parametrize("spherical", [False, True])
def test_more_clusters_than_rows_are_distinct(spherical):
    rows = torch.nn.functional.normalize(torch.randn(60, 5), dim=1)
    centres = kmeans(rows, 150, spherical=spherical, generator=seeded())
    assert len(centres.unique(dim=0)) == 150
    assert (torch.cdist(centres, rows).amin(1) < 0.05).all()
