"""A user's own images through a tokenizer: pictures, a table, and the codes, in one folder.

In the folder: panels/ and code_maps/ (a PNG an image), contact_sheet.png, embeddings.png,
images.csv, and codes/ (an npz an image) where they are asked for.

Axes: B images, C channels, H W pixels, h w latent positions, Q codebooks.
"""

import csv
import io
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vqx.errors import DataError
from vqx.loading import ImageTokenizer
from vqx.runs.files import atomic_file, write_text_atomic
from vqx.seeing.code_maps import Palette, SeenLatents, by_entry, code_map
from vqx.seeing.embeddings import plot_embeddings, used
from vqx.seeing.lettering import as_picture
from vqx.seeing.own_images import OwnImage, read_image
from vqx.seeing.panels import SHEET_IMAGES, Thumbnail, contact_sheet, panel, psnr, thumbnail
from vqx.seeing.principal_axes import LARGEST_DRAWN
from vqx.seeing.tiles import TILE, Reconstruction, reconstruct
from vqx.training.pictures import save_picture

_Item = TypeVar("_Item")
_BESIDE_MAP = 1024  # pixels of the longer side of the input beside its code map


@dataclass(frozen=True, slots=True)
class Measured:
    """One image's row of the table; `grid` (h, w) or (h, w, Q)."""

    image: OwnImage
    width: int
    height: int
    grid: tuple[int, ...]
    bits_per_pixel: float
    psnr: float
    tiles: int

    @property
    def cells(self) -> tuple[str, ...]:
        """As the table shows it."""
        height, width, *codebooks = self.grid
        several = f"x{codebooks[0]}" if codebooks else ""
        return (
            self.image.label,
            f"{self.width}x{self.height}",
            f"{width}x{height}{several}",
            f"{self.bits_per_pixel:.3f}",
            f"{self.psnr:.2f}",
            str(self.tiles),
        )


HEADER = ("file", "size", "codes", "bits/pixel", "PSNR dB", "tiles")


@dataclass
class Gallery:
    """What a call collects; pictures and codes wait on the disk, so that memory stays bounded."""

    tokenizer: ImageTokenizer
    place: Path
    tile: int = TILE
    save_codes: bool = False
    rows: list[Measured] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def show(self, images: Sequence[OwnImage]) -> list[str]:
        """Make everything of `images`; returns notes for the user, a line each.

        Unreadable images are left out and named in `broken`. Raises DataError when all are.
        """
        self.place.mkdir(parents=True, exist_ok=True)
        quantizer = self.tokenizer.tokenizer.quantizer
        counted = quantizer.codebook_size <= LARGEST_DRAWN
        counts: Tensor | None = None
        seen = SeenLatents(quantizer.latent_channels)
        with tempfile.TemporaryDirectory(dir=self.place, prefix=".codes-") as waiting:
            for image in _progress(images):
                found = self._one(image, Path(waiting))
                if found is None:
                    continue
                codes, picture = found
                seen.add(quantizer, codes, picture)
                if counted:
                    size, books = quantizer.codebook_size, quantizer.codebooks
                    more = used(codes, codebook_size=size, codebooks=books)
                    counts = more if counts is None else counts + more
            if not self.rows:
                raise DataError(f"none of the {len(images)} images can be read: {self.broken[0]}")
            notes = self._draw_maps(seen.palette(), Path(waiting))
        self._write_table()
        what = f"{len(self.rows)} image{'s' if len(self.rows) > 1 else ''} given"
        return [
            *notes,
            *plot_embeddings(quantizer, counts, self.place / "embeddings.png", images=what),
        ]

    def table(self) -> str:
        """The rows as text, a line an image, and their mean."""
        lines = [HEADER, *(row.cells for row in self.rows)]
        if len(self.rows) > 1:
            bits = sum(row.bits_per_pixel for row in self.rows) / len(self.rows)
            decibels = sum(row.psnr for row in self.rows) / len(self.rows)
            lines.append(("mean", "", "", f"{bits:.3f}", f"{decibels:.2f}", ""))
        widths = [max(len(line[i]) for line in lines) for i in range(len(HEADER))]
        return "\n".join(
            "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
            for line in lines
        )

    def _one(self, image: OwnImage, waiting: Path) -> tuple[Tensor, Image.Image] | None:
        """Codes (h, w) or (h, w, Q) and the picture of one image, None if it is unreadable.

        Its panel is saved, and what its code map needs is kept in `waiting`.
        """
        try:
            real = read_image(image.path, channels=self.tokenizer.channels)
        except DataError as error:
            print(f"left out: {error}", file=sys.stderr, flush=True)
            self.broken.append(str(error))
            return None
        found = reconstruct(self.tokenizer, real, tile=self.tile)
        row = self._measure(image, real, found)
        self.rows.append(row)
        picture = panel(real, found.image, name=image.label, decibels=row.psnr)
        save_picture(picture, self.place / "panels" / f"{image.name}.png")
        codes = found.codes[0]
        small = [as_picture(one) for one in (real, found.image)]
        for one in small:
            one.thumbnail((_BESIDE_MAP, _BESIDE_MAP), Image.Resampling.LANCZOS)
        np.savez(
            waiting / str(len(self.rows)), codes=_compact(codes), input=small[0], back=small[1]
        )
        if self.save_codes:
            self._save_codes(row, codes)
        return codes, small[0]

    def _measure(self, image: OwnImage, real: Tensor, found: Reconstruction) -> Measured:
        height, width = real.shape[-2:]
        positions = found.codes.shape[1] * found.codes.shape[2]
        bits = positions * self.tokenizer.bits_per_position / (height * width)
        decibels = psnr(real, found.image)
        grid = tuple(found.codes.shape[1:])
        return Measured(image, width, height, grid, bits, decibels, found.tiles)

    def _save_codes(self, row: Measured, codes: Tensor) -> None:
        """`codes` and the `size` (H, W) that `detokenize` wants, in an npz file."""
        path = self.place / "codes" / f"{row.image.name}.npz"
        path.parent.mkdir(exist_ok=True)
        with atomic_file(path) as file:
            np.savez_compressed(file, codes=_compact(codes), size=np.array([row.height, row.width]))

    def _draw_maps(self, palette: Palette, waiting: Path) -> list[str]:
        quantizer = self.tokenizer.tokenizer.quantizer
        thumbnails: list[Thumbnail] = []
        for number, row in enumerate(_progress(self.rows), start=1):
            with np.load(waiting / f"{number}.npz") as kept:
                codes = torch.from_numpy(kept["codes"].astype(np.int64))
                pictures = [Image.fromarray(kept[name]) for name in ("input", "back")]
            factor = self.tokenizer.downsampling
            share = (row.width / (row.grid[1] * factor), row.height / (row.grid[0] * factor))
            drawn = code_map(
                quantizer,
                codes,
                palette=palette,
                picture=pictures[0],
                share=share,
                name=row.image.label,
            )
            save_picture(drawn, self.place / "code_maps" / f"{row.image.name}.png")
            if len(thumbnails) < SHEET_IMAGES:
                grid = by_entry(quantizer, codes, palette)
                thumbnails.append(_thumbnail(row, pictures, grid))
        what = "input, reconstruction, codes (near entries, near colours)"
        title = f"{self.tokenizer.source.name}: {what}"
        save_picture(contact_sheet(thumbnails, title=title), self.place / "contact_sheet.png")
        if len(self.rows) > SHEET_IMAGES:
            return [f"contact_sheet.png: the first {SHEET_IMAGES} of {len(self.rows)} images"]
        return []

    def _write_table(self) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([HEADER, *(row.cells for row in self.rows)])
        write_text_atomic(self.place / "images.csv", text.getvalue())


def _thumbnail(row: Measured, pictures: Sequence[Image.Image], grid: Image.Image) -> Thumbnail:
    shown = [thumbnail(picture) for picture in pictures]
    shrunk = grid.width > shown[0].width
    codes = grid.resize(
        shown[0].size, Image.Resampling.LANCZOS if shrunk else Image.Resampling.NEAREST
    )
    facts = f"{row.width}x{row.height}, {row.bits_per_pixel:.3f} bits/pixel, {row.psnr:.2f} dB"
    return Thumbnail(row.image.label, facts, (*shown, codes))


def _compact(codes: Tensor) -> np.ndarray:
    """`codes` in the smallest integers that hold them."""
    values = codes.numpy()
    if values.min() < 0:
        return values.astype(np.int32)
    small = values.max() < 2**16
    return values.astype(np.uint16 if small else np.uint32 if values.max() < 2**32 else np.int64)


def _progress(items: Sequence[_Item]) -> Iterable[_Item]:
    """`items` with a passing bar, on terminals only."""
    from tqdm import tqdm

    bar: Iterable[_Item] = tqdm(items, leave=False, disable=None, dynamic_ncols=True)
    return bar
