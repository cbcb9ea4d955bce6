"""Which points no other beats in both numbers, and the line between them and what is beaten.

Axes: N points, M of them on the front.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Direction = str  # "higher" or "lower": which values are better
_SIGNS = {"lower": 1.0, "higher": -1.0}


def pareto_front(points: NDArray[np.float64], better: Sequence[Direction]) -> NDArray[np.int64]:
    """Indices (M,) of the `points` (N, 2) that no other beats: as good in both, better in one.

    Ordered by the first number, best first.
    """
    costs = points * np.array([_SIGNS[name] for name in better])  # less is better in both
    no_worse = (costs[:, None] <= costs[None]).all(2)  # (N, N): the first than the second
    better_in_one = (costs[:, None] < costs[None]).any(2)
    kept = np.flatnonzero(~(no_worse & better_in_one).any(0))
    return kept[np.lexsort((costs[kept, 1], costs[kept, 0]))]


def staircase(
    front: NDArray[np.float64], better: Sequence[Direction], worst: tuple[float, float]
) -> NDArray[np.float64]:
    """Corners of the step line through `front` (M, 2), as `pareto_front` orders it.

    What lies on the line's worse side is beaten. It ends at `worst`, the axes' worse edges.
    """
    corners = [(front[0, 0], worst[1])]
    for index, (x, y) in enumerate(front):
        if index:
            corners.append((x, front[index - 1, 1]))  # as good as the one before until here
        corners.append((x, y))
    corners.append((worst[0], front[-1, 1]))
    return np.array(corners, dtype=np.float64)
