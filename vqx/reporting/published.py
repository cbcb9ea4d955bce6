"""Numbers that others printed: results/published/*.csv.

A line is a row of a table: `row` is the experiment that repeats it, numbers are as printed but for
their unit (usage as a fraction, parameters as a count), an empty cell was not printed. `protocol`
and `caveat` are clauses parted by "; ", each for the columns named before its colon, or for all.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vqx.errors import ConfigError

ALL = "all"
TRAINING = "training"  # the clause of a protocol that says how long was trained
_WORDS = ("table", "row", "label", "data", "resolution", "downsampling")
_REMARKS = ("source", "protocol", "caveat")
# Columns that our own results have not: title, and which values are better.
TITLES: dict[str, tuple[str, str | None]] = {
    "l1_normalized": ("L1 of normalised pixels", "lower"),
    "lpips_vgg": ("LPIPS vgg", "lower"),
    "nmse": ("MSE / variance", "lower"),
    "nmse_times_4": ("4 MSE / variance", "lower"),
    "hours_per_epoch": ("GPU h/epoch", None),
    "wall_minutes": ("minutes", None),
}
COSTS = ("hours_per_epoch", "wall_minutes")


@dataclass(frozen=True, slots=True)
class Clause:
    """One remark; `keys` are the columns it is about, () all of the row."""

    keys: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A row that somebody printed; `texts` has its numbers as they stand in the file."""

    table: str
    row: str
    label: str
    data: str
    resolution: str
    downsampling: str
    texts: dict[str, str]
    source: str
    protocol: tuple[Clause, ...]
    caveat: tuple[Clause, ...]

    def value(self, key: str) -> float | None:
        """The number in the column `key`, None where none was printed."""
        return float(self.texts[key]) if key in self.texts else None

    def about(self, key: str) -> str:
        """How the number in the column `key` was measured, "" where it is not known."""
        return "; ".join(clause.text for clause in self.protocol if key in clause.keys)


def name_of(row: Published) -> str:
    """What a published row is called where its own label does not stand under a row of ours."""
    return f"published: {row.row}"


def published_dir() -> Path:
    """The folder of published tables: in the repository, or inside the package in a wheel."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "published"
    return inside if inside.is_dir() else package.parent / "results" / "published"


def table_names() -> list[str]:
    """Names of all published tables."""
    return sorted(path.stem for path in published_dir().glob("*.csv"))


def read_tables(names: Sequence[str]) -> tuple[Published, ...]:
    """Rows of the tables `names`, in their order; a row of two tables once.

    Raises ConfigError for a name that is no table.
    """
    known = table_names()
    for name in names:
        if name not in (*known, ALL):
            from vqx.guard import nearest

            there = ", ".join(known) or f"none in {published_dir()}"
            raise ConfigError(
                f"published={name}: no such table{nearest(name, known)}; there are: {there}; "
                f"or {ALL}"
            )
    asked = known if ALL in names else dict.fromkeys(names)
    rows: dict[str, Published] = {}
    for name in asked:
        for row in read_table(published_dir() / f"{name}.csv"):
            rows.setdefault(row.row, row)
    return tuple(rows.values())


def read_table(path: Path) -> list[Published]:
    """Rows of one file. Raises ConfigError for a column missing, or a number that is none."""
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        columns = reader.fieldnames or []
        if lacking := [name for name in (*_WORDS, *_REMARKS) if name not in columns]:
            raise ConfigError(f"{path} has no column {', '.join(lacking)}")
        keys = [name for name in columns if name not in (*_WORDS, *_REMARKS)]
        return [_row(path, line, keys) for line in reader]


def _row(path: Path, line: dict[str, str], keys: Sequence[str]) -> Published:
    texts = {key: line[key] for key in keys if line[key]}
    for key, text in texts.items():
        try:
            float(text)
        except ValueError as error:
            raise ConfigError(f"{path}: {key}={text} in {line['row']} is no number") from error
    return Published(
        **{word: line[word] for word in _WORDS},
        texts=texts,
        source=line["source"],
        protocol=_clauses(line["protocol"], {TRAINING, *keys}),
        caveat=_clauses(line["caveat"], set(keys)),
    )


def _clauses(text: str, known: set[str]) -> tuple[Clause, ...]:
    return tuple(_clause(part, known) for part in text.split("; ") if part)


def _clause(text: str, known: Iterable[str]) -> Clause:
    """A colon after anything but names of columns belongs to the text."""
    before, colon, after = text.partition(": ")
    names = tuple(name.strip() for name in before.split(","))
    return Clause(names, after) if colon and set(names) <= set(known) else Clause((), text)
