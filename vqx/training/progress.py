"""How far a run is, how fast, and when it will be done: honestly.

The estimate counts steps at their measured pace without warm-up, and evaluations still to come at
the time the last one took.
"""

import math
import statistics
import time
from collections import deque
from collections.abc import Generator
from typing import Any

_WARM_UP_STEPS = 3
_RECENT = 50
_REDRAW_SECONDS = 0.1


class Chronometer:
    """Seconds of training, evaluation excluded, over all the sessions of a run.

    `device_seconds`: the same of each device, summed; a run may go on with another number of them.
    """

    def __init__(self) -> None:
        self.train_seconds = 0.0
        self.device_seconds = 0.0
        self.evaluate_seconds: float | None = None
        self._timed_seconds = 0.0
        self._timed_images = 0
        self._steps_seen = 0
        self._recent: deque[float] = deque(maxlen=_RECENT)
        self._last: float | None = None

    def start(self) -> None:
        """Begin timing: at the first step, and after anything that is not training."""
        self._last = time.perf_counter()

    def step(self, images: int, *, devices: int = 1) -> None:
        """One optimizer step over `images` global images has been issued to all devices."""
        now = time.perf_counter()
        seconds = now - (self._last if self._last is not None else now)
        self._last = now
        self.train_seconds += seconds
        self.device_seconds += seconds * devices
        self._steps_seen += 1
        if self._steps_seen > _WARM_UP_STEPS:
            self._recent.append(seconds)
            self._timed_seconds += seconds
            self._timed_images += images

    @property
    def images_per_second(self) -> float | None:
        """Global images a second, this and earlier sessions' warm-up steps excluded."""
        return self._timed_images / self._timed_seconds if self._timed_seconds else None

    def eta_seconds(self, *, steps_left: int, evaluations_left: int) -> float | None:
        """Seconds until the run is done, as far as can be known; None during warm-up."""
        if not self._recent:
            return None
        pace = statistics.fmean(self._recent)
        return pace * steps_left + (self.evaluate_seconds or 0.0) * evaluations_left

    def state_dict(self) -> dict[str, Any]:
        """Times so far, for the checkpoint."""
        return {
            "train_seconds": self.train_seconds,
            "device_seconds": self.device_seconds,
            "evaluate_seconds": self.evaluate_seconds,
            "timed_seconds": self._timed_seconds,
            "timed_images": self._timed_images,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`'s result."""
        self.train_seconds = state["train_seconds"]
        # A checkpoint of an older version does not know on how many devices they were.
        self.device_seconds = state.get("device_seconds", self.train_seconds)
        self.evaluate_seconds = state["evaluate_seconds"]
        self._timed_seconds = state["timed_seconds"]
        self._timed_images = state["timed_images"]


def clock(seconds: float | None) -> str:
    """`seconds` as 0:42, 12:05 or 3:20:11; "?" when unknown."""
    if seconds is None:
        return "?"
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, second = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{second:02d}" if hours else f"{minutes}:{second:02d}"


def evaluation_progress(
    images: int, *, rounds: int, a_round: int, shown: bool
) -> Generator[int, None, None]:
    """range(rounds) with a passing bar on terminals only; `a_round` of all `images` are in each.

    Images a second and the time left are of the rounds after the first, which starts readers and
    compiles.
    """
    from tqdm import tqdm

    form = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} images{postfix}"
    disable = None if shown else True  # None: unless on a terminal
    bar = tqdm(
        total=images, desc="evaluate", leave=False, disable=disable, bar_format=form,
        dynamic_ncols=True,
    )  # fmt: skip
    started = drawn = -math.inf
    with bar:
        for index in range(rounds):
            yield index
            bar.n, now = min(images, (index + 1) * a_round), time.perf_counter()
            if index == 0:
                started = now
            elif now > started:
                speed = (bar.n - a_round) / (now - started)
                left = clock((images - bar.n) / speed)
                bar.set_postfix_str(f"{speed:,.0f} img/s  eta {left}", refresh=False)
            if now - drawn >= _REDRAW_SECONDS:
                bar.refresh()
                drawn = now


class ProgressBar:
    """A bar on a terminal; one plain line at each log step elsewhere. Silent on other ranks."""

    def __init__(self, *, total: int, initial: int, shown: bool) -> None:
        from tqdm import tqdm

        self._shown = shown
        self._bar = tqdm(
            total=total,
            initial=initial,
            disable=None if shown else True,
            dynamic_ncols=True,
            bar_format="{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}{postfix}",
            desc="train",
        )
        self._total = total

    def advance(self) -> None:
        """One step more."""
        self._bar.update()

    def report(self, *, step: int, losses: dict[str, float], speed: float | None, eta: str) -> None:
        """Show the last losses, the images a second and the time left."""
        shown = "  ".join(f"{name} {value:.4g}" for name, value in losses.items())
        pace = f"{speed:.0f} img/s" if speed else "warming up"
        text = f"{shown}  {pace}  eta {eta}"
        if not self._bar.disable:
            self._bar.set_postfix_str(text)
        elif self._shown:
            print(f"step {step}/{self._total}  {text}", flush=True)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()
