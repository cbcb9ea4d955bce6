"""How much of each run a page holds, so that it opens at once however many runs there are."""

from collections.abc import Iterator, Sequence

from vqx.reporting.frame import Row
from vqx.runs.reading import Run

POINTS = 200  # of each curve of a run
CURVE_BYTES = 6_000_000  # of all runs together, as JSON
IMAGE_BYTES = 8_000_000  # of all distinct pictures together, in base64
PICTURE_BYTES = 2_000_000  # of one PNG file
ERROR_CHARACTERS = 6_000  # of one traceback, counted from its end


def seed_by_seed(rows: Sequence[Row]) -> Iterator[Run]:
    """Each row's first run, then each row's second, and so on: who comes late may be left out."""
    for index in range(max((len(row.runs) for row in rows), default=0)):
        yield from (row.runs[index] for row in rows if index < len(row.runs))


class Budget:
    """So many bytes to spend; what does not fit is counted, not shown."""

    def __init__(self, size: int) -> None:
        self._left = size
        self.refused = 0

    def take(self, size: int) -> bool:
        """Whether `size` bytes still fit; once something did not, nothing after it does."""
        if self.refused or size > self._left:
            self.refused += 1
            return False
        self._left -= size
        return True
