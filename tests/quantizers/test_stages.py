"""What can be a stage of a residual quantizer, and what is refused with its reason."""

import pytest
import torch

from tests.quantizers.cases import latents
from vqx.errors import ConfigError
from vqx.quantizers import EMA, FSQ, VQ, SimVQ
from vqx.quantizers.bsq import BSQ
from vqx.quantizers.directions import unit_vectors
from vqx.quantizers.entropy_vq import EntropyVQ
from vqx.quantizers.ifsq import IFSQ
from vqx.quantizers.lfq import LFQ
from vqx.quantizers.product import Product
from vqx.quantizers.residual import Residual
from vqx.quantizers.residual_fsq import ResidualFSQ
from vqx.quantizers.sfsq import SFSQ
from vqx.quantizers.soft import SoftQuantize


class Soft(VQ):
    """Latents that pass a gradient to the codebook."""

    def quantize(self, z):
        out = super().quantize(z)
        object.__setattr__(out, "latents", out.latents + 0 * self.decode(out.codes))
        return out


def test_a_base_trained_through_its_latents_is_refused():
    quantizer = Residual(Soft(8, 3, restart=None), 2)
    quantizer.eval()(torch.randn(1, 3, 2, 2))
    with pytest.raises(ConfigError, match="Residual of Soft"):
        quantizer.train()(torch.randn(1, 3, 2, 2))


def not_discrete():
    base = VQ(8, 3)
    base.discrete = False
    return base


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stages": 0}, "stages 0"),
        ({"scale": 0.0}, "scale 0"),
        ({"quantizer_dropout": 1.0}, "quantizer_dropout 1"),
        ({"base": not_discrete()}, "not discrete"),
        ({"base": Product(VQ(8, 3), 2)}, "2 codebooks already"),
        ({"base": LFQ(3), "quantizer_dropout": 0.5}, "other stages"),
        ({"base": LFQ(3), "shared": True}, "mix the stages"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ConfigError, match=message):
        Residual(**{"base": VQ(8, 3), "stages": 2, **arguments})


ONE_LENGTH = {
    "lfq": lambda: LFQ(3),
    "one bit": lambda: LFQ(1),
    "many bits": lambda: LFQ(40, entropy="factorised"),
    "bsq": lambda: BSQ(3),
    "vq": lambda: VQ(8, 3, distance="cosine"),
    "from data": lambda: EMA(8, 3, init="kmeans", distance="cosine"),
    "one code": lambda: VQ(1, 3, distance="cosine"),
    "width 1": lambda: VQ(8, 1, distance="cosine"),
    "product": lambda: Product(LFQ(3), 1),
}


@pytest.mark.parametrize("kind", ONE_LENGTH)
def test_entries_of_one_length_need_a_scale_below_1(kind):
    for scale in (1.0, 2.0):
        with pytest.raises(ConfigError, match=f"scale {scale:g}: .* like scale=0.5"):
            Residual(ONE_LENGTH[kind](), 2, scale=scale)
    Residual(ONE_LENGTH[kind](), 2, scale=0.9)
    Residual(ONE_LENGTH[kind](), 1)


def test_such_stages_would_undo_each_other_and_with_a_scale_do_not():
    z = latents(8, width=4) / 4
    left = [
        Residual(LFQ(4), stages, scale=0.5)(z).stats["commitment_ratio"] for stages in range(1, 5)
    ]
    assert sorted(left, reverse=True) == left
    assert left[3] < left[0] / 2


class Centred(VQ):
    """Unit vectors, but of z less its mean over channels."""

    def compared(self, z):
        return unit_vectors(z - z.mean(1, keepdim=True), 1)


@pytest.mark.parametrize("stages", [1, 2])
@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize(
    "base",
    [
        FSQ([5, 4, 3]),
        FSQ([5]),
        SFSQ([5, 4, 3]),
        IFSQ([5, 4, 3]),
        ResidualFSQ([5, 4, 3], 1),
        SoftQuantize(8, 3, variant="argmax"),
        Centred(8, 3),
        Product(FSQ([5, 4, 3]), 1),
    ],
)
def test_latents_that_stand_for_another_thing_than_z_are_refused(base, scale, stages):
    with pytest.raises(ConfigError, match="use quantizer=residual_fsq"):
        Residual(base, stages, scale=scale)


def blank():
    """A codebook still to be filled."""
    base = VQ(8, 3)
    base.codebook.data.zero_()
    return base


@pytest.mark.parametrize(
    "base",
    [
        blank(),
        VQ(2, 1),
        VQ(1, 3),
        VQ(8, 3, init="kmeans"),
        EMA(8, 3, init="batch"),
        SimVQ(8, 3),
        EntropyVQ(8, 3),
        Residual(VQ(8, 3), 1),
    ],
)
def test_codebooks_that_compare_z_itself_are_welcome(base):
    before = torch.random.get_rng_state()
    assert Residual(base, 1).stages == 1
    assert torch.equal(torch.random.get_rng_state(), before)  # looking at a base draws nothing
    assert len(Residual(base, 2).parts) == 2
