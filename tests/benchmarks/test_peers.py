"""Both sides of the quantizers' benchmark do the same work."""

import pytest
import torch

from vqx.benchmarks.families import FAMILIES, Size
from vqx.benchmarks.passes import Pass, outputs

CPU = torch.device("cpu")
SMALL = {
    "codes": Size(512, 96, 8),
    "bits": Size(512, 64, 6),
    "levels": Size(512, 1000, 4, (8, 5, 5, 5)),
}


def size_of(name):
    return SMALL[FAMILIES[name].grid]


def pair(name):
    pytest.importorskip("vector_quantize_pytorch")
    family = FAMILIES[name]
    ours, theirs = family.ours(size_of(name)), family.theirs(size_of(name))
    family.share(ours, theirs)
    return ours, theirs


SHARED = [name for name, family in FAMILIES.items() if family.share]


@pytest.mark.parametrize("name", SHARED)
def test_both_sides_quantize_alike(name):
    ours, theirs = (part.eval() for part in pair(name))
    size = size_of(name)
    z = torch.randn(2, size.width, 16, 16, generator=torch.Generator().manual_seed(1))
    quantized, (latents, codes, *_) = ours(z), theirs(z)
    torch.testing.assert_close(quantized.latents, latents, rtol=1e-4, atol=1e-5)
    if FAMILIES[name].grid == "bits":  # the peer's first channel is the highest bit
        codes = sum((codes >> i & 1) << (size.width - 1 - i) for i in range(size.width))
    assert torch.equal(quantized.codes.flatten(), codes.flatten().long())
    assert len(set(codes.flatten().tolist())) > 20


def test_families_that_must_agree_do_share_a_codebook():
    wanted = {"ema", "vq", "cosine", "simvq", "residual", "lfq", "bsq", "fsq", "entropy"}
    assert wanted == set(SHARED)


@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if family.theirs])
def test_a_pass_leaves_the_gradients_of_both_sides(name):
    pytest.importorskip("vector_quantize_pytorch")
    family, size = FAMILIES[name], size_of(name)
    for module in (family.ours(size).train(), family.theirs(size).train()):
        one = Pass(module, tokens=512, width=size.width, device=CPU, dtype=torch.float32)
        one()
        assert one.z.grad.abs().sum() > 0
        learned = {n: p.grad for n, p in module.named_parameters() if "project" not in n}
        assert all(gradient is not None for gradient in learned.values()), learned.keys()
        one.clear()
        assert one.z.grad is None
        assert all(parameter.grad is None for parameter in module.parameters())


def test_a_pass_updates_the_codebook_of_both_sides():
    for module, codebook in zip(pair("ema"), ("codebook", "_codebook.embed"), strict=True):
        before = module.get_buffer(codebook).clone()
        Pass(module.train(), tokens=512, width=8, device=CPU, dtype=torch.float32)()
        assert not torch.equal(before, module.get_buffer(codebook))


@pytest.mark.parametrize("name", SHARED)
def test_gradients_of_the_output_are_alike(name):
    """Straight through on both sides: the peer's default is another estimator."""
    ours, theirs = (part.train() for part in pair(name))
    size = size_of(name)
    z = torch.randn(2, size.width, 16, 16, generator=torch.Generator().manual_seed(1))
    upstream = torch.randn(z.shape, generator=torch.Generator().manual_seed(2))
    gradients = []
    for module in (ours, theirs):
        leaf = z.clone().requires_grad_()
        outputs(module, leaf)[0].backward(upstream)
        gradients.append(leaf.grad)
    # The peer's residual quantizer sends the gradient of its sum once a stage.
    torch.testing.assert_close(gradients[0] * FAMILIES[name].stages, gradients[1])


@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if family.theirs])
def test_no_side_restarts_codes_or_starts_from_data(name):
    pytest.importorskip("vector_quantize_pytorch")
    family, size = FAMILIES[name], size_of(name)
    ours = family.ours(size)
    assert not ours.needs_initialization
    assert all(getattr(part, "restart", None) is None for part in ours.modules())
    for part in family.theirs(size).modules():
        assert not getattr(part, "has_dead_code_replacement", False)
        assert bool(getattr(part, "initted", True))


def test_outputs_read_both_kinds():
    ours, theirs = pair("residual")
    z = torch.randn(1, 8, 16, 16)
    for module in (ours, theirs):
        latents, loss = outputs(module, z)
        assert latents.shape == z.shape
        assert loss.ndim == 0
