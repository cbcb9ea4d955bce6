"""The fused distortion against its two terms."""

import pytest
import torch
import torch.nn.functional as F

from vqx.quantizers.distortion import distortion


@pytest.mark.parametrize("learns", ["both", "z", "q"])
@pytest.mark.parametrize(("commitment", "codebook"), [(0.25, 1.0), (1.0, 0.25), (0.0, 1.0), (2, 0)])
def test_value_and_gradients_are_those_of_two_terms(commitment, codebook, learns):
    z, q = torch.randn(7, 3), torch.randn(7, 3)
    results = []
    for fused in (True, False):
        a, b = z.clone().requires_grad_(learns != "q"), q.clone().requires_grad_(learns != "z")
        if fused:
            loss = distortion(a, b, commitment=commitment, codebook=codebook)
        else:
            loss = commitment * F.mse_loss(a, b.detach()) + codebook * F.mse_loss(b, a.detach())
        (3 * loss).backward()
        results.append([loss, *(torch.zeros(1) if x.grad is None else x.grad for x in (a, b))])
    for actual, expected in zip(*results, strict=True):
        torch.testing.assert_close(actual, expected.expand_as(actual))
