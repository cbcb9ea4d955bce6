"""What may be asked for, and what is said where it may not."""

import pytest

from vqx.errors import ConfigError
from vqx.reporting.pictures.options import PICTURES, PictureOptions, picture_options


def test_words_become_options() -> None:
    words = {"pictures": "[usage,pareto]", "x": "parameters", "images": "0,3", "difference": "true"}
    options = picture_options({**words, "image_seed": "2", "heatmap": "beta,psnr", "over": "hours"})
    assert options.names == ("pareto", "usage")
    assert (options.x, options.images, options.image_seed) == ("parameters", (0, 3), 2)
    assert options.difference
    assert options.heatmap == ("beta", "psnr")


def test_all_is_everything_but_nothing_by_name() -> None:
    options = PictureOptions()
    assert options.names == PICTURES
    assert not options.is_asked_for("pareto")
    assert PictureOptions(pictures=("pareto",)).is_asked_for("pareto")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"pictures": "paretto"}, "did you mean 'pareto'"),
        ({"pictures": ""}, "pictures"),
        ({"over": "days"}, "steps, images, hours"),
        ({"width": "wide"}, "column, full"),
        ({"difference": "yes"}, "true, false"),
        ({"images": "1,-2"}, "whole numbers"),
        ({"image_seed": "x"}, "whole numbers"),
        ({"hieght": "3"}, "picture options=hieght"),
    ],
)
def test_mistakes_are_named(words: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        picture_options(words)
