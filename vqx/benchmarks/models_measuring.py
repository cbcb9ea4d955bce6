"""Time, memory and arithmetic of one model and loss, beside the reference in the same rounds."""

import gc
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from vqx.benchmarks import peak
from vqx.benchmarks.alternation import alternate, seconds_of
from vqx.benchmarks.models_step import Case, Setting, TrainingStep, configuration
from vqx.errors import WeightsMissing
from vqx.training.rank import set_arithmetic

REFERENCE = Case("conv", "l2")
_MOST_REPEATS = 16  # of a short call within a round
_SIDES = {"cpu": 2048, "cuda": 8192}  # of the matrices whose product stands for the device's peak


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a case cannot be measured here, and what would help."""

    remedy: str


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found. Seconds are lists over rounds, all of the same length.

    `plain`: of a step; `penalised`: of one with R1, of which there is one in `interval`;
    `reference`: of a step of REFERENCE; `product`: of a matrix product of `product_flops`.
    `held`: bytes of weights, optimizer and loss networks between steps; `peak`: bytes beyond them.
    """

    batch: int
    grid: tuple[int, int]
    parameters: int
    discriminator_parameters: int
    plain: Sequence[float]
    reference: Sequence[float]
    product: Sequence[float]
    flops: float
    product_flops: float
    held: int
    peak: int
    penalised: Sequence[float] | None = None
    interval: int | None = None

    @property
    def rounds(self) -> int:
        """How often each was timed."""
        return len(self.plain)

    @property
    def seconds(self) -> float:
        """Of a mean step: median of the rounds."""
        return statistics.median(self._steps)

    @property
    def images_per_second(self) -> float:
        """Images that training takes a second."""
        return self.batch / self.seconds

    @property
    def of_reference(self) -> float:
        """A mean step in steps of the reference: median of ratios within a round."""
        return _median_ratio(self._steps, self.reference)

    @property
    def peak_flops(self) -> float:
        """Floating point operations a second of the matrix product: the best round."""
        return self.product_flops / min(self.product)

    @property
    def of_peak(self) -> float:
        """Share of the matrix product's speed: median of ratios within a round."""
        return _median_ratio(self.product, self._steps) * self.flops / self.product_flops

    @property
    def _steps(self) -> list[float]:
        if self.penalised is None or self.interval is None:
            return list(self.plain)
        return [
            a + (b - a) / self.interval for a, b in zip(self.plain, self.penalised, strict=True)
        ]


def _median_ratio(over: Sequence[float], under: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(over, under, strict=True))


def measure(case: Case, setting: Setting) -> Measured | Missing:
    """Measure `case`, in a process that has done nothing else. Missing: weights of LPIPS."""
    try:
        return _measure(case, setting)
    except WeightsMissing as error:
        return Missing(str(error))


def _measure(case: Case, setting: Setting) -> Measured:
    device = torch.device(setting.device)
    before = _held(device)
    step = _built(case, setting)
    flops = step.flops()
    step.clear()
    held = _held(device) - before  # not once compiled: the compiler's tensors have no memory
    _compile(step, setting)
    longest = step.plain if step.interval is None else step.with_penalty
    most = peak.peak_bytes(longest, device)
    reference = _reference(setting, case=case, step=step)
    product = Product(device)
    calls: dict[str, Callable[[], None]] = {
        "plain": step.plain,
        "reference": reference.plain,
        "product": product,
    }
    if step.interval is not None:
        calls["penalised"] = step.with_penalty
    times = _timed(calls, device, setting)
    ours, theirs = step.parameters
    return Measured(
        batch=setting.batch,
        grid=step.grid,
        parameters=ours,
        discriminator_parameters=theirs,
        **times,
        flops=flops,
        product_flops=product.flops,
        held=held,
        peak=most,
        interval=step.interval,
    )


def _timed(
    calls: Mapping[str, Callable[[], None]], device: torch.device, setting: Setting
) -> dict[str, list[float]]:
    """Seconds of each of the `calls`, a list over rounds.

    Short ones are repeated within a round up to a quarter of a plain step: a moment of other load
    would else decide what a long step is compared with.
    """
    whole = seconds_of(calls["plain"], device)
    counts = {
        name: max(1, min(_MOST_REPEATS, int(whole / 4 / seconds_of(call, device))))
        for name, call in calls.items()
    }
    times = alternate(
        {name: partial(_repeat, call, counts[name]) for name, call in calls.items()},
        device,
        rounds=setting.rounds,
        budget=setting.budget,
    )
    return {name: [each / counts[name] for each in seconds] for name, seconds in times.items()}


def _repeat(call: Callable[[], None], count: int) -> None:
    for _ in range(count):
        call()


def _built(case: Case, setting: Setting) -> TrainingStep:
    config = configuration(case, setting)
    set_arithmetic(deterministic=config["trainer"]["deterministic"])
    return TrainingStep(config, device=torch.device(setting.device))


def _reference(setting: Setting, *, case: Case, step: TrainingStep) -> TrainingStep:
    """REFERENCE, ready: as configured but for the trainer's overrides; `step` if it is the same."""
    trainers = tuple(text for text in setting.overrides if text.lstrip("+~").startswith("trainer."))
    own = replace(setting, overrides=trainers)
    if case == REFERENCE and own == setting:
        return step
    reference = _built(REFERENCE, own)
    reference.plain()
    _compile(reference, own)
    return reference


def _compile(step: TrainingStep, setting: Setting) -> None:
    """Compile if that is wanted, take the steps that are then long, and clean up."""
    if setting.compiled:
        step.compile()
        step.plain()
        if step.interval is not None:
            step.with_penalty()
    step.clear()


class Product:
    """A large square matrix product: float32 on a CPU, bfloat16 on a GPU.

    Of random numbers: GPUs draw less power, and so are faster, with all the same ones.
    """

    def __init__(self, device: torch.device) -> None:
        side = _SIDES[device.type]
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        self._left, self._right, self._result = (
            torch.randn(side, side, dtype=dtype, device=device) for _ in range(3)
        )
        self.flops = 2.0 * side**3
        self()

    def __call__(self) -> None:
        torch.mm(self._left, self._right, out=self._result)


def _held(device: torch.device) -> int:
    """Bytes of all tensors there are, gradients apart; a compiler's have no memory."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return torch.cuda.memory_allocated(device)
    tensors = [thing for thing in gc.get_objects() if type(thing) in (Tensor, nn.Parameter)]
    storages = [tensor.untyped_storage() for tensor in tensors if tensor.device.type == "cpu"]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())
