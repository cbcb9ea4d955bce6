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

    def marks(self, row: Row) -> str:
        """Letters of the stamps in a row: two when its seeds were measured differently."""
        found = [stamp_of(self.key, result) for result in row.results]
        return "".join(letter for stamp, letter in self.letters.items() if stamp in found)


def stamp_of(key: str, result: dict[str, object]) -> str | None:
    """The stamp of a metric in a result.json."""
    metrics = result.get("metrics")
    entry = metrics.get(key) if isinstance(metrics, dict) else None
    return str(entry.get("stamp", "no stamp")) if isinstance(entry, dict) else None


def stamps_of(column: Column, rows: Sequence[Row]) -> Stamps:
    """Stamps of a metric over all rows."""
    found = [stamp_of(column.key, result) for row in rows for result in row.results]
    distinct = list(dict.fromkeys(stamp for stamp in found if stamp is not None))
    letters = {s: _SUPERSCRIPTS[min(i, len(_SUPERSCRIPTS) - 1)] for i, s in enumerate(distinct)}
    return Stamps(column.key, letters)
