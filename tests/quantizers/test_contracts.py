"""Sound quantizers pass; each broken one is refused by the name of its class and its contract."""

import time

import pytest
import torch
import torch.nn.functional as F

from vqx.errors import ContractBroken
from vqx.quantizers import EMA, FSQ, VQ, Restart, SimVQ, check_contracts
from vqx.quantizers.base import Quantized

SOUND = {
    "fsq": lambda: FSQ([8, 5, 5, 5]),
    "fsq bits": lambda: FSQ([2, 2, 2]),
    "fsq tan": lambda: FSQ([8, 5], fsq_shift="tan"),
    "vq": lambda: VQ(512, 64),
    "vq legacy": lambda: VQ(512, 64, beta_legacy=True),
    "vq kmeans": lambda: VQ(128, 16, init="kmeans"),
    "vq one code": lambda: VQ(1, 3),
    "vq one channel": lambda: VQ(12, 1, init="batch"),
    "vq without restart": lambda: VQ(32, 4, restart=None, commitment=0.0),
    "vq policy none": lambda: VQ(32, 4, restart=Restart("none")),
    "ema": lambda: EMA(512, 64),
    "ema batch": lambda: EMA(64, 8, init="batch"),
    "ema zeros": lambda: EMA(64, 8, ema_init="zeros"),
    "ema ones": lambda: EMA(1000, 8, ema_init="ones", restart=None),
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_quantizers_pass(name):
    check_contracts(SOUND[name](), device="cpu")


def _replace(out, **changes):
    return Quantized(**{n: changes.get(n, getattr(out, n)) for n in Quantized.__slots__})


class DecodesOtherwise(FSQ):
    def decode(self, codes):
        return -super().decode(codes)


class Samples(VQ):
    """Gumbel noise in eval."""

    def quantize(self, z):
        return super().quantize(z + 0.5 * torch.randn_like(z))


class SearchesInAutocast(VQ):
    def forward(self, z):
        rows = z.movedim(1, -1).flatten(end_dim=-2)
        codes = (self.codebook.square().sum(1) / 2 - rows @ self.codebook.T).argmin(1)
        out = super().forward(z)
        codes = codes.view_as(out.codes)
        return _replace(out, codes=codes, latents=self.decode(codes))


class CodesInBfloat16(FSQ):
    def forward(self, z):
        self.low_precision = torch.is_autocast_enabled("cpu")
        return super().forward(z)

    def bound(self, z):
        bounded = super().bound(z)
        return bounded.bfloat16().float() if getattr(self, "low_precision", False) else bounded


class LatentsInBfloat16(VQ):
    def forward(self, z):
        out = super().forward(z)
        return _replace(out, latents=out.latents.bfloat16())


class CodesFromOne(VQ):
    def quantize(self, z):
        out = super().quantize(z)
        return _replace(out, codes=out.codes + 1)


class CodesAsInt32(VQ):
    def quantize(self, z):
        out = super().quantize(z)
        return _replace(out, codes=out.codes.int())


class BetaOnTheCodebook(VQ):
    def loss(self, z, q):
        return self.commitment_weight * F.mse_loss(q, z.detach()) + F.mse_loss(z, q.detach())


class NoCommitment(EMA):
    def loss(self, z, q):
        return F.mse_loss(z.detach(), q) + 0 * z.sum()


class CodebookLossOnTheEncoder(VQ):
    def loss(self, z, q):
        return (1 + self.commitment_weight) * F.mse_loss(z, q.detach())


class NoStraightThrough(VQ):
    def quantize(self, z):
        out = super().quantize(z)
        return _replace(out, latents=self.decode(out.codes).detach())


class OneChannelWithoutGradient(VQ):
    def quantize(self, z):
        return super().quantize(torch.cat([z[:, :1].detach(), z[:, 1:]], 1))


class LearnsInEval(EMA):
    def quantize(self, z):
        self.counts += 1
        return super().quantize(z)


class AccumulatesInEval(EMA):
    def quantize(self, z):
        mode, self.training = self.training, True
        out = super().quantize(z)
        self.training = mode
        return out


class PlacesEntriesOnly(EMA):
    """Restart and init write E; the next step puts M / N back."""

    def place(self, codes, vectors, *, count, share):
        self.codebook[codes] = vectors


class RestartsNothing(VQ):
    def place(self, codes, vectors, *, count, share):
        pass


class StillUninitialised(EMA):
    def initialize(self, z, *, generator=None):
        pass


class NotFinite(VQ):
    def loss(self, z, q):
        return super().loss(z, q) / 0.0


class StatsWithGradient(VQ):
    def quantize(self, z):
        out = super().quantize(z)
        return _replace(out, stats={"loss": out.loss})


class EntropyOfEachPart(VQ):
    """A term of the batch as a whole, taken of each micro-batch."""

    def loss(self, z, q):
        term = z.mean(0).square().sum() * float(self.orthogonal.enabled)
        return super().loss(z, q) + term


class SumsOfTheLastPart(EMA):
    def accumulate(self, rows, codes):
        self._sums = None
        super().accumulate(rows, codes)


class DecodesInAutocast(SimVQ):
    def decode(self, codes):
        entries = torch.nn.functional.linear(self.codebook[codes], self.weight)
        return entries.movedim(-1, 1).contiguous()


class DecodesWithoutTheLayer(SimVQ):
    """The lookup forgets W."""

    def decode(self, codes):
        return self.codebook[codes].movedim(-1, 1).contiguous()


BROKEN = [
    (EntropyOfEachPart(16, 4, init="normal"), "loss of a batch in parts"),
    (SumsOfTheLastPart(16, 4, init="normal"), "batch in parts moves the codebook"),
    (DecodesInAutocast(16, 4), "(latents are float32 in|decode)"),
    (DecodesWithoutTheLayer(16, 4), "decode"),
    (DecodesOtherwise([8, 5]), "decode"),
    (Samples(16, 4, init="normal"), "two eval passes"),
    (SearchesInAutocast(512, 64), "bf16"),
    (CodesInBfloat16([8, 5, 5, 5]), "bf16"),
    (LatentsInBfloat16(16, 4), "latents are float32"),
    (CodesFromOne(16, 4, init="batch"), r"\[0, codebook_size\)"),
    (CodesAsInt32(16, 4), "codes are int64"),
    (BetaOnTheCodebook(16, 4), "loss reaches z"),
    (NoCommitment(16, 4), "loss reaches z"),
    (CodebookLossOnTheEncoder(16, 4), "loss reaches"),
    (NoStraightThrough(16, 4), "gradient passes"),
    (OneChannelWithoutGradient(16, 4, commitment=0.0), "every channel"),
    (LearnsInEval(16, 4, ema_init="ones"), "changes no state"),
    (AccumulatesInEval(16, 4, ema_init="ones"), "leaves nothing"),
    (PlacesEntriesOnly(64, 4, init="kmeans"), "initialisation survives"),
    (PlacesEntriesOnly(64, 4, ema_init="ones"), "restart (moves|survives)"),
    (RestartsNothing(64, 4), "restart moves"),
    (StillUninitialised(16, 4), "initialize"),
    (NotFinite(16, 4), "finite"),
    (StatsWithGradient(16, 4), "stats"),
]


@pytest.mark.parametrize(
    ("quantizer", "contract"), BROKEN, ids=lambda x: x if isinstance(x, str) else type(x).__name__
)
def test_broken_quantizers_are_refused_by_name(quantizer, contract):
    with pytest.raises(ContractBroken, match=f"{type(quantizer).__name__} .*{contract}"):
        check_contracts(quantizer, device="cpu")


def test_a_soft_quantizer_may_decode_otherwise():
    quantizer = DecodesOtherwise([8, 5])
    quantizer.discrete = False
    check_contracts(quantizer, device="cpu")


@pytest.mark.parametrize("name", ["vq kmeans", "ema"])
def test_nothing_is_touched(name):
    quantizer = SOUND[name]().eval()
    before = {key: x.clone() for key, x in quantizer.state_dict().items()}
    generator = torch.get_rng_state()
    check_contracts(quantizer, device="cpu")
    assert torch.equal(torch.get_rng_state(), generator)
    assert quantizer.needs_initialization
    assert not quantizer.training
    assert all(torch.equal(x, before[key]) for key, x in quantizer.state_dict().items())


def test_fast():
    start = time.perf_counter()
    check_contracts(EMA(512, 64), device="cpu")
    assert time.perf_counter() - start < 1


def _check_on_a_rank():
    check_contracts(EMA(48, 4, restart=Restart(interval=7)), device="cpu")
    return True


def test_inside_a_process_group(two_ranks):
    assert two_ranks(_check_on_a_rank) == [True, True]
