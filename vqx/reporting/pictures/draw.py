"""All pictures of a report, into files: `draw`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vqx.reporting.frame import Frame, Row
from vqx.reporting.notes import Note
from vqx.reporting.pictures.curves import curves_picture
from vqx.reporting.pictures.embeddings import embeddings_picture
from vqx.reporting.pictures.heatmap import heatmap_picture
from vqx.reporting.pictures.histogram import histogram_picture
from vqx.reporting.pictures.images import images_picture
from vqx.reporting.pictures.numbers import column_called
from vqx.reporting.pictures.options import PictureOptions
from vqx.reporting.pictures.pareto import pareto_picture
from vqx.reporting.pictures.picture import NothingToDraw, Picture, save
from vqx.reporting.pictures.usage import usage_picture
from vqx.reporting.published import Published

Make = Callable[[Sequence[Row], PictureOptions, Sequence[Published]], Picture]


@dataclass(frozen=True, slots=True)
class Drawn:
    """Files by picture (`pareto` -> NAME-pareto.png and .svg), and what they do not show."""

    files: Mapping[str, tuple[Path, ...]]
    notes: tuple[Note, ...]

    @property
    def paths(self) -> list[Path]:
        """All files."""
        return [path for paths in self.files.values() for path in paths]


def draw(
    frame: Frame,
    rows: Sequence[Row] | None = None,
    options: PictureOptions | None = None,
    *,
    out: Path,
    name: str,
    published: Sequence[Published] = (),
) -> Drawn:
    """Write NAME-PICTURE.png and .svg into `out` for each picture asked for.

    `rows`: rows of `frame` in the order of the table, which gives each its colour; default all.
    Raises ConfigError where a picture asked for by name has nothing to show, or an option names
    no column, key or metric; with `all` that is a note.
    """
    options = options or PictureOptions()
    rows = frame.rows if rows is None else rows
    files: dict[str, tuple[Path, ...]] = {}
    notes: list[Note] = []
    for picture in options.names:
        try:
            made = _MAKERS[picture](rows, options, published)
        except NothingToDraw as error:
            if options.is_asked_for(picture):
                raise
            notes.append(Note(f"picture {picture}", str(error).partition(": ")[2]))
            continue
        paths, said = save(made, out, f"{name}-{picture}")
        files[picture] = tuple(paths)
        notes += [*made.notes, *said]
    return Drawn(files, _merged(notes))


def _merged(notes: Sequence[Note]) -> tuple[Note, ...]:
    """Notes with what holds for several pictures said once."""
    pictures: dict[str, list[str]] = {}
    for note in notes:
        pictures.setdefault(note.text, []).append(note.about.removeprefix("picture "))
    return tuple(
        Note(f"picture{'s' if len(names) > 1 else ''} {', '.join(names)}", text)
        for text, names in pictures.items()
    )


def _pareto(
    rows: Sequence[Row], options: PictureOptions, published: Sequence[Published]
) -> Picture:
    x, y = (column_called(key, rows, published) for key in (options.x, options.y))
    return pareto_picture(rows, x=x, y=y, published=published, width=options.width)


def _curves(rows: Sequence[Row], options: PictureOptions, _: Sequence[Published]) -> Picture:
    return curves_picture(rows, metrics=options.curves, over=options.over, width=options.width)


def _usage(rows: Sequence[Row], options: PictureOptions, _: Sequence[Published]) -> Picture:
    return usage_picture(rows, over=options.over, width=options.width)


def _histogram(rows: Sequence[Row], options: PictureOptions, _: Sequence[Published]) -> Picture:
    return histogram_picture(rows, width=options.width)


def _images(rows: Sequence[Row], options: PictureOptions, _: Sequence[Published]) -> Picture:
    return images_picture(
        rows,
        indices=options.images,
        seed=options.image_seed,
        metric=column_called("psnr", rows),
        difference=options.difference,
        width=options.width,
    )


def _embeddings(rows: Sequence[Row], options: PictureOptions, _: Sequence[Published]) -> Picture:
    return embeddings_picture(rows, width=options.width)


def _heatmap(rows: Sequence[Row], options: PictureOptions, _: Sequence[Published]) -> Picture:
    return heatmap_picture(rows, keys=options.heatmap, metric=options.y, width=options.width)


_MAKERS: dict[str, Make] = {
    "pareto": _pareto,
    "curves": _curves,
    "usage": _usage,
    "histogram": _histogram,
    "images": _images,
    "embeddings": _embeddings,
    "heatmap": _heatmap,
}
