"""How many stages an image keeps."""

import pytest
import torch

from vqx.quantizers.dropout import draw_stages

CPU = torch.device("cpu")


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_share_of_images_that_draw_and_what_they_draw(share):
    torch.manual_seed(0)
    kept = draw_stages(80_000, 4, share, device=CPU)
    found = torch.bincount(kept, minlength=5) / len(kept)
    expected = torch.tensor([0, *[share / 4] * 3, 1 - share + share / 4])
    torch.testing.assert_close(found, expected, atol=0.01, rtol=0)


def test_the_first_image_keeps_all_and_one_stage_is_never_dropped():
    for seed in range(50):
        torch.manual_seed(seed)
        assert draw_stages(3, 8, 0.9, device=CPU)[0] == 8
    assert (draw_stages(100, 1, 0.9, device=CPU) == 1).all()
