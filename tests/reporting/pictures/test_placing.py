"""Names find places where they cover nothing."""

import numpy as np

from vqx.reporting.pictures.placing import nearest_point, place_labels

BOUNDS = np.array([0.0, 0.0, 400.0, 300.0])


def markers(anchors: np.ndarray) -> np.ndarray:
    return np.concatenate([anchors - 3, anchors + 3], axis=1)


def test_a_label_alone_is_right_of_its_point() -> None:
    anchors = np.array([[100.0, 100.0]])
    placed = place_labels(anchors, np.array([[50.0, 10.0]]), markers(anchors), BOUNDS, gap=5)
    np.testing.assert_allclose(placed.boxes, [[105, 95, 155, 105]])


def test_a_label_at_the_edge_stays_inside() -> None:
    anchors = np.array([[398.0, 150.0], [2.0, 298.0]])
    sizes = np.array([[80.0, 10.0], [80.0, 10.0]])
    boxes = place_labels(anchors, sizes, markers(anchors), BOUNDS, gap=5).boxes
    assert (boxes[:, :2] >= BOUNDS[:2]).all()
    assert (boxes[:, 2:] <= BOUNDS[2:]).all()


def test_fourteen_names_in_a_crowd_cover_neither_each_other_nor_a_point() -> None:
    rng = np.random.default_rng(1)
    anchors = np.array([200.0, 150.0]) + rng.normal(size=(14, 2)) * [14, 30]
    sizes = np.stack([rng.uniform(30, 110, 14), np.full(14, 9.0)], axis=1)
    assert place_labels(anchors, sizes, markers(anchors), BOUNDS, gap=5).overlap == 0


def test_no_line_to_a_point_runs_through_another_name() -> None:
    anchors = np.array([[300.0, 250.0 - 2.5 * i] for i in range(10)])
    sizes = np.full((10, 2), [90.0, 9.0])
    boxes = place_labels(anchors, sizes, markers(anchors), BOUNDS, gap=5).boxes
    for i, anchor in enumerate(anchors):
        end = nearest_point(boxes[i], anchor)
        line = anchor + np.linspace(0, 1, 50)[:, None] * (end - anchor)
        for j, box in enumerate(boxes):
            through = ((line > box[:2] + 0.5) & (line < box[2:] - 0.5)).all(1).any()
            assert i == j or not through


def test_places_repeat() -> None:
    anchors = np.random.default_rng(2).uniform(50, 250, (9, 2))
    sizes = np.full((9, 2), [60.0, 9.0])
    first, again = (place_labels(anchors, sizes, markers(anchors), BOUNDS, gap=5) for _ in "ab")
    np.testing.assert_array_equal(first.boxes, again.boxes)


def test_the_nearest_point_of_a_box() -> None:
    box = np.array([10.0, 10.0, 20.0, 20.0])
    assert nearest_point(box, np.array([0.0, 15.0])).tolist() == [10, 15]
    assert nearest_point(box, np.array([12.0, 15.0])).tolist() == [12, 15]
