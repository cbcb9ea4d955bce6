"""Names beside points so that they cover neither each other nor a point.

Axes: N labels, M obstacles, P places tried; boxes are (left, bottom, right, top), in any one unit.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float64]
_ANGLES = np.deg2rad(np.arange(0, 360, 15))
_ROUNDS = 12  # of taking each label up again, the others lying
# What an overlapped area costs, by what is covered; leaving the axes is as bad as covering a name.
_LABEL, _OBSTACLE, _OUTSIDE, _LINE = 400.0, 300.0, 600.0, 80.0


@dataclass(frozen=True, slots=True)
class Placement:
    """Boxes (N, 4) of the labels and the area by which they still overlap."""

    boxes: Boxes
    overlap: float


def place_labels(
    anchors: NDArray[np.float64],
    sizes: NDArray[np.float64],
    obstacles: Boxes,
    bounds: NDArray[np.float64],
    *,
    gap: float,
) -> Placement:
    """A place near `anchors` (N, 2) for labels of `sizes` (N, 2), inside of `bounds` (4,).

    `gap`: from an anchor to the nearest edge of its label at the least. The same input gives the
    same places.
    """
    tried = [_places(a, s, gap) for a, s in zip(anchors, sizes, strict=True)]  # N x (P, 4)
    fixed = [
        _fixed_cost(boxes, anchor, obstacles, bounds, gap)
        for boxes, anchor in zip(tried, anchors, strict=True)
    ]
    chosen = np.array([boxes[0] for boxes in tried])
    laid = np.zeros(len(anchors), dtype=bool)
    # Those with the most neighbours first: they have the least choice.
    near = np.linalg.norm(anchors[:, None] - anchors[None], axis=2)
    order = np.argsort(near.mean(1), kind="stable")
    for _ in range(_ROUNDS):
        before = chosen.copy()
        for i in order:
            others = laid & (np.arange(len(anchors)) != i)
            cost = fixed[i] + _LABEL * _overlaps(tried[i], chosen[others])
            own = (tried[i], anchors[i], chosen[others], anchors[others])
            cost += _LINE * gap * (_crossings(*own) + _lines_through(*own))
            chosen[i], laid[i] = tried[i][np.argmin(cost)], True
        if np.array_equal(before, chosen):
            break
    pairs = sum(float(_overlaps(chosen[i : i + 1], chosen[i + 1 :]).sum()) for i in order)
    return Placement(chosen, pairs + float(_overlaps(chosen, obstacles).sum()))


def nearest_point(box: NDArray[np.float64], point: NDArray[np.float64]) -> NDArray[np.float64]:
    """The point of `box` (..., 4) that is nearest to `point` (2,)."""
    return np.clip(point, box[..., :2], box[..., 2:])


def _places(anchor: NDArray[np.float64], size: NDArray[np.float64], gap: float) -> Boxes:
    """Boxes (P, 4) around an anchor, the preferred first: right, above, left, and further away."""
    height = size[1]
    found = []
    for distance in gap + height * np.array([0, 0.5, 1.2, 2, 3, 4.2, 5.6, 7.2, 9]):
        for angle in _ANGLES:
            toward = np.array([np.cos(angle), np.sin(angle)])
            centre = anchor + toward * distance + np.sign(np.round(toward, 6)) * size / 2
            if abs(toward[1]) > 0.99:
                centre[0] = anchor[0]  # straight above or below
            if abs(toward[0]) > 0.99:
                centre[1] = anchor[1]
            found.append(np.concatenate([centre - size / 2, centre + size / 2]))
    return np.array(found)


def _fixed_cost(
    boxes: Boxes, anchor: NDArray[np.float64], obstacles: Boxes, bounds: Boxes, gap: float
) -> NDArray[np.float64]:
    """What each place (P,) costs whatever the other labels do."""
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    inside = _overlaps(boxes, bounds[None])
    distance = np.linalg.norm(nearest_point(boxes, anchor) - anchor, axis=1)
    preference = np.arange(len(boxes)) % len(_ANGLES) * 0.05 * gap
    return (
        _OBSTACLE * _overlaps(boxes, obstacles)
        + _OUTSIDE * (area - inside)
        + distance * gap
        + preference
    )


def _overlaps(boxes: Boxes, others: Boxes) -> NDArray[np.float64]:
    """The area of each box (P,) that `others` cover, summed over them."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    covered: NDArray[np.float64] = np.clip(high - low, 0, None).prod(2).sum(1)
    return covered


def _crossings(
    boxes: Boxes, anchor: NDArray[np.float64], others: Boxes, anchors: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How many lines from other labels to their points each place's own line crosses, (P,)."""
    if not len(others):
        return np.zeros(len(boxes))
    ends = nearest_point(boxes, anchor)[:, None]  # (P, 1, 2)
    tips = np.clip(anchors, others[:, :2], others[:, 2:])[None]  # (1, N, 2)
    starts = anchors[None]
    own = np.broadcast_to(anchor, ends.shape)
    one = _side(own, ends, starts) * _side(own, ends, tips) < 0
    other = _side(starts, tips, own) * _side(starts, tips, ends) < 0
    crossed: NDArray[np.float64] = (one & other).sum(1).astype(np.float64)
    return crossed


def _lines_through(
    boxes: Boxes, anchor: NDArray[np.float64], others: Boxes, anchors: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How many labels each place's own line runs through, and how many lines through it, (P,)."""
    if not len(others):
        return np.zeros(len(boxes))
    part = np.linspace(0.1, 1.0, 16)[:, None]
    own = anchor + part * (nearest_point(boxes, anchor) - anchor)[:, None]  # (P, 16, 2)
    theirs = (
        anchors[:, None]
        + part * (np.clip(anchors, others[:, :2], others[:, 2:]) - anchors)[:, None]
    )  # (N, 16, 2)
    through = _inside(own[:, None], others[None, :, None]).any(2).sum(1)
    met = _inside(theirs[None], boxes[:, None, None]).any(2).sum(1)
    both: NDArray[np.float64] = (through + met).astype(np.float64)
    return both


def _inside(points: NDArray[np.float64], boxes: Boxes) -> NDArray[np.bool_]:
    """Whether `points` (..., 2) lie within `boxes` (..., 4), not on their edge."""
    above, below = points > boxes[..., :2] + 1e-9, points < boxes[..., 2:] - 1e-9
    inside: NDArray[np.bool_] = np.all(above & below, axis=-1)
    return inside


def _side(
    a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The sign says on which side of the line from `a` to `b` the point `c` lies."""
    along, to = b - a, c - a
    return along[..., 0] * to[..., 1] - along[..., 1] * to[..., 0]
