"""Entries are what codes are decoded to, explicit codebook or not."""

import pytest
import torch

from vqx.quantizers import FSQ, VQ, Product, Residual, ResidualFSQ
from vqx.quantizers.entries import codebook_entries, spread_codes


def small_vq():
    return VQ(32, 6, init="normal")


def test_entries_of_one_codebook():
    vq = small_vq()
    assert torch.equal(codebook_entries(vq), vq.entries().detach())
    fsq = FSQ([3, 5])
    assert len(codebook_entries(fsq).unique(dim=0)) == 15
    assert torch.equal(codebook_entries(fsq)[7], fsq.decode(torch.tensor([[[7]]]))[0, :, 0, 0])


@pytest.mark.parametrize(
    "quantizer",
    [
        Residual(small_vq(), 3),
        Residual(small_vq(), 3, shared=True, scale=0.5),
        Product(small_vq(), 3),
        ResidualFSQ([3, 5], 3),
    ],
)
def test_entries_of_several_codebooks_differ_as_their_latents_do(quantizer):
    for codebook in range(3):
        entries = codebook_entries(quantizer, codebook)
        codes = torch.randint(quantizer.codebook_size, (2, 1, 1, 1, 3))
        one, other = codes
        other[..., :] = one
        other[..., codebook] = (one[..., codebook] + 1) % quantizer.codebook_size
        step = (quantizer.decode(other) - quantizer.decode(one)).flatten()
        wanted = entries[other[..., codebook]] - entries[one[..., codebook]]
        torch.testing.assert_close(step, wanted.flatten(), atol=1e-5, rtol=1e-5)


def test_entries_of_some_codes_are_those_rows_of_all():
    vq = small_vq()
    codes = torch.tensor([31, 0, 7])
    assert torch.equal(codebook_entries(vq, codes=codes), codebook_entries(vq)[codes])


def test_few_codes_are_all_and_many_lie_evenly_without_overflow():
    assert spread_codes(FSQ([3, 5]), 100).tolist() == list(range(15))
    assert spread_codes(FSQ([4, 5]), 4).tolist() == [0, 5, 10, 15]
    codes = spread_codes(FSQ([2] * 48), 4096)
    assert codes[-1] == 4095 * 2**48 // 4096
    assert (codes.diff() == 2**36).all()
