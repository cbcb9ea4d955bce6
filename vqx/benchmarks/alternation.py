"""Timing of several calls in alternating rounds, so that other load slows all of them alike."""

import math
import time
from collections.abc import Callable, Mapping

import torch

LEAST_SECONDS = 0.05  # of one timing, so that the clock's and scheduler's grain do not count


def seconds_of(call: Callable[[], object], device: torch.device, repeats: int = 1) -> float:
    """Seconds of `repeats` calls, the device's work included."""
    synchronize(device)
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    synchronize(device)
    return time.perf_counter() - start


def alternate(
    calls: Mapping[str, Callable[[], object]],
    device: torch.device,
    *,
    rounds: int,
    budget: float,
) -> dict[str, list[float]]:
    """Seconds a call of each of `calls`, a list over rounds; every other round in reverse order.

    As many rounds up to `rounds` as `budget` seconds allow, at least one. The calls are warm. Calls
    so long that one of each spends the budget are timed no second time.
    """
    repeats, first = {}, {}
    for name, call in calls.items():
        repeats[name], first[name] = _repeats(call, device)
    cost = sum(repeats[name] * seconds for name, seconds in first.items())
    if cost > budget and max(repeats.values()) == 1:
        return {name: [seconds] for name, seconds in first.items()}
    fitting = max(1, min(rounds, int(budget / cost)))
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(fitting):
        for name in list(calls)[:: -1 if turn % 2 else 1]:
            seconds = seconds_of(calls[name], device, repeats[name])
            times[name].append(seconds / repeats[name])
    return times


def _repeats(call: Callable[[], object], device: torch.device) -> tuple[int, float]:
    """How often to call for one timing of LEAST_SECONDS, and the seconds of a call, roughly."""
    repeats = 1
    while (seconds := seconds_of(call, device, repeats)) < LEAST_SECONDS / 4:
        repeats *= 2
    each = seconds / repeats
    return max(1, math.ceil(LEAST_SECONDS / each)), each


def synchronize(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
