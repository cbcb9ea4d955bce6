"""Agreement with vector-quantize-pytorch on the same codebook and latents, where that is right.

Its gradient of a mean over elements, codes and averages are the published ones; its defaults (no
straight-through but rotation, decay .8, commitment 1) are set to ours.
"""

import pytest
import torch

from tests.quantizers.cases import latents
from vqx.quantizers import EMA, VQ, SimVQ

peer = pytest.importorskip("vector_quantize_pytorch")
K, D = 24, 6


def _theirs(codebook, **arguments):
    theirs = peer.VectorQuantize(
        dim=D,
        codebook_size=K,
        decay=0.99,
        commitment_weight=0.25,
        rotation_trick=False,
        accept_image_fmap=True,
        **arguments,
    )
    theirs._codebook.embed.data.copy_(codebook[None])
    return theirs.train()


@pytest.mark.parametrize("cosine", [False, True])
def test_ema_codes_latents_loss_and_averages(cosine):
    ours = EMA(K, D, ema_init="ones", distance="cosine" if cosine else "euclidean", restart=None)
    theirs = _theirs(ours.entries(), use_cosine_sim=cosine)
    theirs._codebook.embed_avg.copy_(ours.sums[None])
    theirs._codebook.cluster_size.fill_(1.0)
    for step in range(4):
        z = latents(4, seed=step)
        out = ours(z)
        ours.update_codebook()
        quantized, codes, loss = theirs(z)
        assert torch.equal(out.codes, codes)
        # With cosine codes theirs are of the codebook after the step, and its loss of raw latents.
        if not cosine:
            torch.testing.assert_close(out.latents, quantized.detach(), rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(out.loss, loss.squeeze(), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(ours.entries(), theirs.codebook, rtol=1e-3, atol=1e-4)


def test_vq_codes_loss_and_gradients():
    ours = VQ(K, D, init="normal", restart=None)
    theirs = _theirs(ours.codebook.detach(), learnable_codebook=True, ema_update=False)
    z = latents(3)
    mine, other = z.clone().requires_grad_(), z.clone().requires_grad_()
    out, (_, codes, _) = ours(mine), theirs(other)
    assert torch.equal(out.codes, codes)
    # Its commitment loss is the one term it offers: ours with weight on the other side is the rest.
    (at_z,) = torch.autograd.grad(out.loss, mine)
    (expected,) = torch.autograd.grad(theirs(other)[2].sum(), other)
    torch.testing.assert_close(at_z, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("estimator", ["ste", "rotation"])
def test_simvq_codes_loss_and_gradients(estimator):
    ours = SimVQ(K, D, estimator=estimator)
    theirs = peer.SimVQ(D, K, channel_first=True, rotation_trick=estimator == "rotation")
    theirs.frozen_codebook.copy_(ours.codebook)
    theirs.code_transform.weight.data.copy_(ours.weight)
    z, upstream = latents(3), torch.randn(3, D, 4, 3)
    mine, other = z.clone().requires_grad_(), z.clone().requires_grad_()
    out, (quantized, codes, loss) = ours(mine), theirs(other)
    assert torch.equal(out.codes, codes)
    torch.testing.assert_close(out.loss, loss, rtol=1e-4, atol=1e-6)
    ((out.latents * upstream).sum() + out.loss).backward()
    ((quantized * upstream).sum() + loss).backward()
    torch.testing.assert_close(mine.grad, other.grad, rtol=1e-3, atol=1e-4)
    if estimator == "ste":
        weight = theirs.code_transform.weight.grad
        torch.testing.assert_close(ours.weight.grad, weight, rtol=1e-3, atol=1e-5)
