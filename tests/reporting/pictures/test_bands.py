"""Seeds folded into a mean and its spread."""

import numpy as np
from matplotlib.figure import Figure

from vqx.reporting.pictures.bands import Curve, draw_band, fold


def curve(x: list[float], y: list[float]) -> Curve:
    return Curve(np.array(x), np.array(y))


def test_mean_and_sample_deviation_on_a_shared_grid() -> None:
    band = fold([curve([1, 2], [1, 5]), curve([1, 2], [3, 5])])
    assert band.x.tolist() == [1, 2]
    assert band.mean.tolist() == [2, 5]
    np.testing.assert_allclose(band.std, [np.sqrt(2), 0])


def test_one_seed_has_no_spread() -> None:
    band = fold([curve([1, 2], [1, 5])])
    assert band.mean.tolist() == [1, 5]
    assert np.isnan(band.std).all()


def test_no_seed_is_carried_beyond_its_end() -> None:
    band = fold([curve([1, 2, 3], [0, 0, 0]), curve([1, 2], [2, 4])])
    assert band.mean.tolist() == [1, 2, 0]
    assert band.n.tolist() == [2, 2, 1]
    assert np.isnan(band.std).tolist() == [False, False, True]


def test_other_grids_are_met_by_lines_between_own_points() -> None:
    band = fold([curve([0, 2], [0, 2]), curve([0, 1, 2], [0, 3, 2])])
    assert band.x.tolist() == [0, 1, 2]
    assert band.mean.tolist() == [0, 2, 2]


def test_a_gap_that_no_seed_covers_holds_no_invented_number() -> None:
    band = fold([curve([0, 1], [1, 1]), curve([5, 6], [2, 2])])
    assert band.x.tolist() == [0, 1, 5, 6]
    assert band.n.tolist() == [1, 1, 1, 1]


def draw(*curves: Curve) -> tuple[list[np.ndarray], int]:
    axes = Figure().subplots()
    draw_band(axes, fold(curves), color="#000000", marker="o", linestyle="-")
    return [np.asarray(line.get_ydata()) for line in axes.lines], len(axes.collections)


def test_the_line_is_the_mean_and_a_single_seed_has_no_band() -> None:
    lines, bands = draw(curve([1, 2], [1, 5]))
    assert [line.tolist() for line in lines] == [[1, 5]]
    assert bands == 0


def test_what_not_all_seeds_reach_is_a_second_thinner_line_that_joins() -> None:
    axes = Figure().subplots()
    band = fold([curve([1, 2, 3], [0, 0, 0]), curve([1, 2], [2, 4])])
    draw_band(axes, band, color="#000000", marker="o", linestyle="-")
    whole, thin = axes.lines
    assert np.isnan(whole.get_ydata()).tolist() == [False, False, True]
    assert np.isnan(thin.get_ydata()).tolist() == [True, False, False]
    assert thin.get_linewidth() < whole.get_linewidth()
    assert len(axes.collections) == 1
