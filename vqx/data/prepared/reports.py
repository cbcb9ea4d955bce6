"""What a preparation shows of itself on standard error: a bar, or a line now and then."""

import sys
import time
from types import TracebackType

from tqdm import tqdm

_FIRST_SECONDS, _EVERY_SECONDS = 10.0, 60.0


class Reports:
    """Counts images, from `done` to `total`; silent unless `show`.

    A bar with images a second and the time left on a terminal, else a line after ten seconds and
    then every minute.
    """

    def __init__(self, *, done: int, total: int, show: bool) -> None:
        self._done, self._total, self._show = done, total, show
        self._begun = time.monotonic()
        self._begun_at = done
        self._next = self._begun + _FIRST_SECONDS
        self._bar = None
        if show and sys.stderr.isatty():
            self._bar = tqdm(
                initial=done, total=total, unit=" images", dynamic_ncols=True, smoothing=0.05
            )

    def say(self, line: str) -> None:
        """A line for the user."""
        if self._bar is not None:
            self._bar.write(f"vqx: {line}", file=sys.stderr)
        elif self._show:
            print(f"vqx: {line}", file=sys.stderr, flush=True)

    def split(self, name: str) -> None:
        """The images from now on are of the split `name`."""
        if self._bar is not None:
            self._bar.set_description(name)

    def count(self) -> None:
        """One more image is done."""
        self._done += 1
        if self._bar is not None:
            self._bar.update()
        elif self._show and time.monotonic() >= self._next:
            self._next = time.monotonic() + _EVERY_SECONDS
            self.say(self._line())

    def _line(self) -> str:
        rate = (self._done - self._begun_at) / (time.monotonic() - self._begun)
        left = (self._total - self._done) / rate
        return (
            f"prepared {self._done:,} of {self._total:,} images, {rate:,.0f} images/s, "
            f"{left / 60:.0f} min left"
        )

    def __enter__(self) -> "Reports":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
