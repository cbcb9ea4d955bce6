"""The codes of an image as colours: near colours for near entries, and one colour a code.

Axes: h w latent positions, D latent width, Q codebooks, N rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from vqx.quantizers import Quantizer
from vqx.seeing.lettering import enlarged, labelled
from vqx.seeing.principal_axes import Moments, PrincipalAxes

_SIDE = 512  # pixels of a map's longer side; larger grids are shown a pixel a code
_CODEBOOKS = 8
_ROWS = 64  # rows of the grid decoded at once
_SPREAD = 2.5  # deviations of the entries' coordinates that the colours span
# Multiples of these fill the unit square evenly (Roberts 2018): neighbouring codes differ.
_PLASTIC = (0.7548776662466927, 0.5698402909980532)


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of latents by their place on the principal axes of what was used."""

    axes: PrincipalAxes

    def colours(self, latents: Tensor) -> NDArray[np.uint8]:
        """Colours (N, 3) of `latents` (N, D): the first axis is light, two more are the hue."""
        # An axis of almost no variance would show rounding errors as colours.
        floor = float(self.axes.deviations.max()) / 10
        scale = _SPREAD * self.axes.deviations.clamp(min=max(floor, 1e-12))
        places = (self.axes.project(latents) / scale).clamp(-1, 1)
        missing = torch.zeros(len(places), max(0, 3 - places.shape[1]))
        light, blue, red = torch.cat([places, missing], dim=1).T
        # Luma and two colour differences (ITU-R BT.601), in a range where most have a colour.
        luma, blue, red = 0.52 + 0.42 * light, 0.3 * blue, 0.3 * red
        mixed = (luma + 1.402 * red, luma - 0.344 * blue - 0.714 * red, luma + 1.772 * blue)
        return _as_bytes(torch.stack(mixed, dim=1).numpy())


class SeenLatents:
    """What the codes of all images are decoded to, for colours that they share."""

    def __init__(self, channels: int) -> None:
        self._moments = Moments(channels)
        self._bright = torch.zeros(channels, dtype=torch.float64)

    def add(self, quantizer: Quantizer, codes: Tensor, picture: Image.Image) -> None:
        """See the `codes` (h, w) or (h, w, Q) of `picture`."""
        size = (codes.shape[1], codes.shape[0])
        grey = np.asarray(picture.convert("L").resize(size, Image.Resampling.BOX))
        light = torch.tensor(grey).double()
        light -= light.mean()
        for latents, part in zip(_latents(quantizer, codes), light.split(_ROWS), strict=True):
            self._moments.add(latents.flatten(0, 1))
            self._bright += part.flatten() @ latents.flatten(0, 1).double()

    def palette(self) -> Palette:
        """Colours for all of them, the first axis turned so that bright places are light."""
        axes = self._moments.principal_axes(3)
        if float(axes.directions[0] @ self._bright) < 0:
            turned = torch.cat([-axes.directions[:1], axes.directions[1:]])
            axes = replace(axes, directions=turned)
        return Palette(axes)


def by_entry(quantizer: Quantizer, codes: Tensor, palette: Palette) -> Image.Image:
    """A pixel for each of `codes` (h, w) or (h, w, Q), coloured by what they are decoded to."""
    rows = [
        palette.colours(latents.flatten(0, 1)).reshape(*latents.shape[:2], 3)
        for latents in _latents(quantizer, codes)
    ]
    return Image.fromarray(np.concatenate(rows))


def by_code(codes: Tensor) -> Image.Image:
    """A pixel for each of `codes` (h, w), with a colour of its own for each code."""
    from matplotlib.colors import hsv_to_rgb

    hue, other = (np.mod(codes.numpy() * step, 1) for step in _PLASTIC)
    return Image.fromarray(
        _as_bytes(hsv_to_rgb(np.stack([hue, 0.35 + 0.6 * other, 1 - 0.55 * other**2], axis=-1)))
    )


def code_map(
    quantizer: Quantizer,
    codes: Tensor,
    *,
    palette: Palette,
    picture: Image.Image,
    share: tuple[float, float],
    name: str,
) -> Image.Image:
    """An image beside its `codes` (h, w) or (h, w, Q), drawn in both ways, codebook by codebook.

    `share`: the part of the grid's width and height that the image, as `picture`, covers.
    """
    height, width = codes.shape[:2]
    factor = max(1, _SIDE // max(height, width))
    several = codes.ndim == 3
    columns = codes.unbind(-1) if several else (codes,)
    names = [f"codebook {i}: a colour a code" for i in range(1, len(columns) + 1)]
    maps = [by_code(column) for column in columns[:_CODEBOOKS]]
    tiles = [
        ("input", _beside(picture, (width * factor, height * factor), share)),
        ("near entries, near colours", enlarged(by_entry(quantizer, codes, palette), factor)),
        *zip(
            names if several else ["a colour a code"],
            (enlarged(one, factor) for one in maps),
            strict=False,
        ),
    ]
    left_out = f", the first {_CODEBOOKS} shown" if len(columns) > _CODEBOOKS else ""
    kind = f" x {len(columns)}{left_out}" if several else ""
    caption = f"{name}: {width}x{height}{kind} codes"
    return labelled(tiles, caption=caption, columns=min(len(tiles), 5 if len(tiles) == 10 else 3))


def _latents(quantizer: Quantizer, codes: Tensor) -> Iterator[Tensor]:
    """Latents (rows, w, D) of some rows of the grid at a time, on the CPU."""
    device = next((t.device for t in quantizer.state_dict().values()), torch.device("cpu"))
    with torch.no_grad():
        for rows in codes.split(_ROWS):
            yield quantizer.decode(rows[None].to(device))[0].movedim(0, -1).float().cpu()


def _beside(picture: Image.Image, size: tuple[int, int], share: tuple[float, float]) -> Image.Image:
    """`picture` over the part of the map of `size` that its codes are of."""
    width, height = (max(1, round(full * part)) for full, part in zip(size, share, strict=True))
    smooth = picture.width * 2 > width
    filter_ = Image.Resampling.LANCZOS if smooth else Image.Resampling.NEAREST
    canvas = Image.new("RGB", size, "white")
    canvas.paste(picture.resize((width, height), filter_))
    return canvas


def _as_bytes(colours: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.rint(255 * colours.clip(0, 1)).astype(np.uint8)
