"""Images of any size through a tokenizer in bounded memory.

An image up to `tile` x `tile` pixels goes through at once. A larger one is cut: each tile is seen
with a margin around it, of which neither codes nor pixels are kept. Where a network sees no further
than the margin this is the whole image's result; attention and group normalization look at all they
are given, so that there a tile's codes are those of a smaller picture.

Axes: C channels, H W pixels, h w latent positions, Q codebooks; f the downsampling.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from vqx.errors import ConfigError
from vqx.loading import ImageTokenizer

TILE = 1024
_MARGIN = 64  # pixels, and at least _POSITIONS latent positions
_POSITIONS = 8


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """Codes (1, h, w) or (1, h, w, Q) and the uint8 image (1, C, H, W) of them, on the CPU.

    tiles: into how many pieces the image was cut.
    """

    codes: Tensor
    image: Tensor
    tiles: int


@dataclass(frozen=True, slots=True)
class _Span:
    """Latent positions along one axis: [start, end) are kept, [first, last) are seen."""

    start: int
    end: int
    first: int
    last: int

    @property
    def kept(self) -> slice:
        return slice(self.start, self.end)

    @property
    def seen(self) -> slice:
        return slice(self.first, self.last)

    @property
    def inside(self) -> slice:
        """The kept part of what is seen."""
        return slice(self.start - self.first, self.end - self.first)

    def pixels(self, part: slice, factor: int) -> slice:
        return slice(part.start * factor, part.stop * factor)


def reconstruct(tokenizer: ImageTokenizer, image: Tensor, *, tile: int = TILE) -> Reconstruction:
    """What `tokenizer` makes of one uint8 `image` (1, C, H, W), cut above tile^2 pixels."""
    height, width = image.shape[-2:]
    if height * width <= tile**2:
        codes = tokenizer.tokenize(image)
        back = tokenizer.detokenize(codes, size=(height, width))
        return Reconstruction(codes.cpu(), back.cpu(), 1)
    places = list(_places(tokenizer.downsampling, height, width, tile))
    codes = _tiled_codes(tokenizer, image, places)
    return Reconstruction(codes, _tiled_image(tokenizer, codes, image, places), len(places))


def _tiled_codes(
    tokenizer: ImageTokenizer, image: Tensor, places: list[tuple[_Span, _Span]]
) -> Tensor:
    """Codes of the whole `image`; the right and lower edges are padded by the tokenizer itself."""
    factor = tokenizer.downsampling
    grid = [-(-side // factor) for side in image.shape[-2:]]
    whole: Tensor | None = None
    for rows, columns in places:
        window = image[..., rows.pixels(rows.seen, factor), columns.pixels(columns.seen, factor)]
        codes = tokenizer.tokenize(window).cpu()
        if whole is None:
            whole = codes.new_empty(1, *grid, *codes.shape[3:])
        whole[:, rows.kept, columns.kept] = codes[:, rows.inside, columns.inside]
    assert whole is not None
    return whole


def _tiled_image(
    tokenizer: ImageTokenizer, codes: Tensor, image: Tensor, places: list[tuple[_Span, _Span]]
) -> Tensor:
    """The image, shaped like `image`, that the whole grid of `codes` gives."""
    factor = tokenizer.downsampling
    whole = torch.empty_like(image)
    for rows, columns in places:
        back = tokenizer.detokenize(codes[:, rows.seen, columns.seen]).cpu()
        kept = whole[..., rows.pixels(rows.kept, factor), columns.pixels(columns.kept, factor)]
        inside = back[..., rows.pixels(rows.inside, factor), columns.pixels(columns.inside, factor)]
        kept.copy_(inside[..., : kept.shape[-2], : kept.shape[-1]])
    return whole


def _places(factor: int, height: int, width: int, tile: int) -> Iterator[tuple[_Span, _Span]]:
    margin = max(-(-_MARGIN // factor), _POSITIONS)
    core = tile // factor - 2 * margin
    if core < 1:
        raise ConfigError(
            f"tile={tile} leaves nothing beside margins of {margin * factor} pixels: use at least "
            f"{4 * margin * factor}"
        )
    for rows in _spans(-(-height // factor), core, margin):
        for columns in _spans(-(-width // factor), core, margin):
            yield rows, columns


def _spans(positions: int, core: int, margin: int) -> list[_Span]:
    """Even parts of at most `core` positions, and what is seen around each."""
    count = -(-positions // core)
    ends = [positions * (i + 1) // count for i in range(count)]
    return [
        _Span(start, end, max(0, start - margin), min(positions, end + margin))
        for start, end in zip([0, *ends[:-1]], ends, strict=True)
    ]
