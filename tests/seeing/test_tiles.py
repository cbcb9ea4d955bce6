"""A cut image has the codes and the pixels of the whole one, at any size."""

import pytest
import torch
from skimage.data import astronaut

from vqx.errors import ConfigError
from vqx.seeing import tiles
from vqx.seeing.tiles import reconstruct

PHOTO = torch.from_numpy(astronaut()).permute(2, 0, 1)[None].contiguous()


@pytest.mark.parametrize("size", [(301, 399), (512, 90), (90, 511), (257, 256)])
def test_cut_or_whole_is_the_same_image(tokenizer, size):
    image = PHOTO[..., : size[0], : size[1]]
    whole = reconstruct(tokenizer, image, tile=1024)
    cut = reconstruct(tokenizer, image, tile=160)
    assert (whole.tiles, whole.image.shape) == (1, image.shape)
    assert cut.tiles > 1
    assert cut.codes.shape == whole.codes.shape
    # Convolutions of another size may add in another order: a tie of two codes can turn.
    assert (cut.codes != whole.codes).float().mean() < 1e-3
    assert ((cut.image.int() - whole.image.int()).abs() > 1).float().mean() < 1e-3


def test_pixels_come_from_the_codes_that_are_kept(tokenizer):
    found = reconstruct(tokenizer, PHOTO[..., :300, :300], tile=160)
    back = tokenizer.detokenize(found.codes, size=(300, 300))
    assert ((found.image.int() - back.int()).abs() > 1).float().mean() < 1e-3


def test_without_a_margin_seams_show(tokenizer, monkeypatch):
    monkeypatch.setattr(tiles, "_MARGIN", 0)
    monkeypatch.setattr(tiles, "_POSITIONS", 0)
    whole = reconstruct(tokenizer, PHOTO, tile=1024)
    cut = reconstruct(tokenizer, PHOTO, tile=160)
    assert (cut.codes != whole.codes).float().mean() > 1e-3


def test_no_tile_is_larger_than_asked_for(tokenizer, monkeypatch):
    seen = []
    real = tokenizer.tokenizer.tokenize

    def watched(images):
        seen.append(tuple(images.shape[-2:]))
        return real(images)

    monkeypatch.setattr(tokenizer.tokenizer, "tokenize", watched)
    reconstruct(tokenizer, PHOTO, tile=200)
    assert len(seen) > 9
    assert max(max(size) for size in seen) <= 200


def test_a_tile_of_margins_alone_is_refused(tokenizer):
    with pytest.raises(ConfigError, match="tile=128"):
        reconstruct(tokenizer, PHOTO, tile=128)
