"""Time and peak memory of one quantizer of one size beside its peer and the floor.

Axes: N tokens, K codes, D latent width.
"""

import gc
import importlib.util
import statistics
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from vqx.benchmarks import peak
from vqx.benchmarks.alternation import alternate, seconds_of
from vqx.benchmarks.families import FAMILIES, Family, Size
from vqx.benchmarks.floors import make_floor
from vqx.benchmarks.passes import SIDE, Pass, outputs
from vqx.benchmarks.peers import PACKAGE
from vqx.quantizers.base import Quantizer

FEW = 2 * SIDE**2  # tokens from which a peer's needs are foreseen
ROOM = 0.8  # share of the available memory that a peer may be foreseen to need


@dataclass(frozen=True, slots=True)
class Setting:
    """How to measure; `budget` seconds for the rounds, `patience` seconds for a peer's one pass."""

    device: str = "cpu"
    dtype: str = "float32"
    compiled: bool = False
    rounds: int = 7
    budget: float = 4.0
    patience: float = 40.0


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds of a pass and its peak in bytes; `foreseen` from a few tokens, not measured."""

    seconds: float
    peak: int
    foreseen: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found; `faster` and `of_floor` are medians over rounds of ratios within a round.

    agreement: share of tokens that both quantize alike, with one codebook; None: not comparable.
    """

    ours: Figures
    theirs: Figures | None
    floor: float | None
    faster: float | None
    of_floor: float | None
    rounds: int
    agreement: float | None = None
    note: str = ""


def measure(name: str, size: Size, setting: Setting) -> Measured:
    """Measure the family `name` at `size`. What goes wrong with the peer is told in the note."""
    family, device = FAMILIES[name], torch.device(setting.device)
    torch.manual_seed(0)
    quantizer = family.ours(size).to(device).train()
    ours = _pass(quantizer, size.tokens, size, setting)
    _pass(quantizer, min(FEW, size.tokens), size, setting)()  # loads what is loaded once
    our_peak = _compiled_peak(ours, setting)
    peer = _Peer(family, size, setting, quantizer)
    calls: dict[str, Callable[[], object]] = {"ours": ours}
    if peer.call is not None:
        calls["theirs"] = peer.call
    if (floor := make_floor(family, size, device)) is not None:
        calls["floor"] = floor
    times = alternate(calls, device, rounds=setting.rounds, budget=setting.budget)
    middle = {side: statistics.median(seconds) for side, seconds in times.items()}
    theirs = peer.figures(middle.get("theirs"))
    faster = _ratio(times.get("theirs"), times["ours"])
    if faster is None and theirs is not None:
        faster = theirs.seconds / middle["ours"]
    return Measured(
        Figures(middle["ours"], our_peak),
        theirs,
        middle.get("floor"),
        faster,
        _ratio(times["ours"], times.get("floor")),
        len(times["ours"]),
        peer.agreement,
        peer.note,
    )


class _Peer:
    """The peer's side: foreseen, refused or warm, with its peak."""

    def __init__(self, family: Family, size: Size, setting: Setting, quantizer: Quantizer) -> None:
        self.call: Pass | None = None
        self.agreement: float | None = None
        self.note = ""
        self._foreseen = self._once = False
        self._peak: int | None = None
        self._seconds = 0.0
        if family.theirs is None or importlib.util.find_spec(PACKAGE) is None:
            return
        try:
            self._prepare(family, size, setting, quantizer)
        except (RuntimeError, MemoryError) as error:
            if "memory" not in f"{type(error).__name__} {error}".lower():
                raise
            self.call, self._peak, self.note = None, None, "peer: out of memory"
        gc.collect()

    def figures(self, seconds: float | None) -> Figures | None:
        """Time and peak, `seconds` being the median of rounds if it took part in them."""
        if self._peak is None:
            return None
        return Figures(self._seconds if seconds is None else seconds, self._peak, self._foreseen)

    def _prepare(self, family: Family, size: Size, setting: Setting, quantizer: Quantizer) -> None:
        assert family.theirs is not None
        device = torch.device(setting.device)
        module = family.theirs(size).to(device).train()
        if family.share is not None:
            self.agreement = _agreement(family, quantizer, module, size, device)
        need, seconds = _foresee(module, size, setting)
        if need > ROOM * peak.available_bytes(device):
            self.note = f"peer does not fit (needs about {need / peak.GIB:.1f} GiB)"
            return
        if seconds > setting.patience:
            self._peak, self._seconds, self._foreseen = need, seconds, True
            self.note = f"peer foreseen from {FEW} tokens"
            return
        call = _pass(module, size.tokens, size, setting)
        self._seconds = seconds_of(lambda: self._measure_peak(call, setting), device)
        if seconds > setting.budget / 2:  # its pass under the profiler, which then weighs nothing
            self.note = "peer: one pass"
        else:
            self.call = call

    def _measure_peak(self, call: Pass, setting: Setting) -> None:
        self._peak = _compiled_peak(call, setting)


def _pass(module: nn.Module, tokens: int, size: Size, setting: Setting) -> Pass:
    dtype = torch.bfloat16 if setting.dtype == "bf16" else torch.float32
    device = torch.device(setting.device)
    return Pass(module, tokens=tokens, width=size.width, device=device, dtype=dtype)


def _compiled_peak(call: Pass, setting: Setting) -> int:
    """Peak of a pass, compiled before if that is wanted."""
    if setting.compiled:
        call.module.compile()
        call()
    call.clear()
    return peak.peak_bytes(call, torch.device(setting.device))


def _foresee(module: nn.Module, size: Size, setting: Setting) -> tuple[int, float]:
    """Bytes and seconds that a pass of all tokens will take: both grow with N in a line."""
    device, few = torch.device(setting.device), min(FEW, size.tokens)
    peaks = {}
    for tokens in sorted({few // 2 // SIDE**2 * SIDE**2 or few, few}):
        call = _pass(module, tokens, size, setting)
        peaks[tokens] = peak.peak_bytes(call, device)
        call.clear()
    seconds = seconds_of(call, device)  # of `few` tokens, now warm
    call.clear()
    slope = (peaks[few] - peaks[min(peaks)]) / max(few - min(peaks), 1)
    return round(peaks[few] + slope * (size.tokens - few)), seconds * size.tokens / few


@torch.no_grad()
def _agreement(
    family: Family, quantizer: Quantizer, module: nn.Module, size: Size, device: torch.device
) -> float:
    """Share of a few tokens with the same latents in eval mode, after sharing the codebook."""
    assert family.share is not None
    family.share(quantizer, module)
    tokens = min(FEW, size.tokens)
    z = torch.randn(tokens // SIDE**2, size.width, SIDE, SIDE, device=device)
    ours, theirs = (outputs(part.eval(), z)[0] for part in (quantizer, module))
    quantizer.train()
    module.train()
    alike = torch.isclose(ours, theirs, rtol=1e-3, atol=1e-3).all(1)
    return float(alike.float().mean())


def _ratio(over: list[float] | None, under: list[float] | None) -> float | None:
    if not over or not under:
        return None
    return statistics.median(a / b for a, b in zip(over, under, strict=True))
