"""Which protocols the numbers of a column were measured by."""

from collections.abc import Sequence
from dataclasses import dataclass

from vqx.reporting.columns import Column
from vqx.reporting.frame import Row

_SUPERSCRIPTS = "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ"


@dataclass(frozen=True, slots=True)
class Stamps:
    """The distinct stamps of one column, each with its letter, in order of first use."""

    key: str
    letters: dict[str, str]
    name_images: bool

    def marks(self, row: Row) -> str:
        """Letters of the stamps in a row: two when its seeds were measured differently."""
        found = [stamp_of(self.key, r, name_images=self.name_images) for r in row.results]
        return "".join(letter for stamp, letter in self.letters.items() if stamp in found)


def stamp_of(key: str, result: dict[str, object], *, name_images: bool) -> str | None:
    """The stamp of a metric in a result.json, with the images it was measured on if asked for."""
    metrics = result.get("metrics")
    entry = metrics.get(key) if isinstance(metrics, dict) else None
    if not isinstance(entry, dict):
        return None
    stamp = str(entry.get("stamp", "no stamp"))
    return f"{stamp}; {images_of(result)}" if name_images else stamp


def images_of(result: dict[str, object]) -> str:
    """What the evaluation saw: data set, split, resize filter and crop."""
    data = result.get("data")
    return str(data.get("description", "images unknown")) if isinstance(data, dict) else "?"


def images_in(rows: Sequence[Row]) -> list[str]:
    """The distinct evaluation images of all rows."""
    return list(dict.fromkeys(images for row in rows for images in _images_in(row)))


def _images_in(row: Row) -> tuple[str, ...]:
    found: tuple[str, ...] | None = row.memory.get("images")
    if found is None:
        found = row.memory["images"] = tuple(dict.fromkeys(map(images_of, row.results)))
    return found


def stamps_of(column: Column, rows: Sequence[Row]) -> Stamps:
    """Stamps of a metric over all rows."""
    name_images = len(images_in(rows)) > 1
    results = [result for row in rows for result in row.results]
    found = [stamp_of(column.key, result, name_images=name_images) for result in results]
    distinct = list(dict.fromkeys(stamp for stamp in found if stamp is not None))
    letters = {s: _SUPERSCRIPTS[min(i, len(_SUPERSCRIPTS) - 1)] for i, s in enumerate(distinct)}
    return Stamps(column.key, letters, name_images)
