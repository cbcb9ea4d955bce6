"""What a reader must know before comparing our rows with published ones."""

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from vqx.config import NOT_IDENTITY
from vqx.reporting.beside import Beside
from vqx.reporting.columns import Column
from vqx.reporting.frame import Row
from vqx.reporting.notes import Note, training
from vqx.reporting.published import TRAINING, Clause, Published
from vqx.reporting.ranks import spearman
from vqx.reporting.statistics import summarize
from vqx.runs.reading import Run

Caveats = dict[Clause, tuple[str, list[str]]]  # caveat -> its mark and the rows that have it
_UNTOLD = re.compile(r"[+~]*(experiment|sweeps|project|row|seed|data|data\..*|trainer\.steps)=")

_PRECISION = re.compile(r" in \w+\d+$")  # of training, after its length


def notes_beside(
    rows: Sequence[Row], columns: Sequence[Column], beside: Beside, caveats: Caveats
) -> list[Note]:
    """Notes on published rows under the table of our `rows`, the most pressing first."""
    repeated = {name for row in rows for name in beside.repeated(row)}
    absent = [row for row in beside.published if row.row not in repeated]
    how = "grey rows are as their sources print them, measured by others, and are never marked best"
    unsaid = ", ".join(f"{key}={value}" for key, value in beside.unsaid.items())
    return [
        Note("published", how),
        *_scale_notes(rows, beside),
        *_listed("not run here", ((scale_of_published(row), row.row) for row in absent)),
        *([Note("other rows", f"unless named {unsaid}")] if unsaid else []),
        *_order_notes(rows, columns, beside),
        *_protocol_notes(columns, beside.published),
        *(
            Note(f"{mark} {_titles(clause.keys, columns)}".rstrip(), clause.text)
            for clause, (mark, _) in caveats.items()
        ),
        *_listed("source", ((row.source, row.row) for row in beside.published)),
    ]


def _listed(about: str, found: Iterable[tuple[str, str]]) -> list[Note]:
    """A note for each text, with the rows it is of where there are several texts."""
    rows: dict[str, list[str]] = {}
    for text, row in found:
        rows.setdefault(text, []).append(row)
    if len(rows) == 1:
        return [Note(about, next(iter(rows)))]
    return [Note(about, f"{text} ({', '.join(names)})") for text, names in rows.items()]


def _scale_notes(rows: Sequence[Row], beside: Beside) -> list[Note]:
    """What ours and theirs were trained and measured on, for every row that has both."""
    found: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        for name in beside.repeated(row):
            published, run = beside.pairs[name], row.runs[0]
            text = f"ours: {scale_of(run)}; published: {scale_of_published(published)}"
            found.setdefault(_likeness(run, published), []).append((text, row.label))
    return [note for about, texts in found.items() for note in _listed(about, texts)]


def _likeness(run: Run, published: Published) -> str:
    """Whether ours saw the same images; the name of a folder, `folder`, does not tell."""
    data = run.config.get("data") or {}
    if data.get("name") == "folder":
        return "data unnamed"
    if _letters(str(data.get("name"))) != _letters(published.data):
        return "other data"
    if str(data.get("image_size")) != published.resolution:
        return "other resolution"
    return "same data, by name"


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def scale_of(run: Run) -> str:
    """`fashion_mnist 32 px f4, 400 steps of batch 32 (scale=small)`, as far as a run tells."""
    data, model = run.config.get("data") or {}, run.config.get("model") or {}
    what = _scale(data.get("name"), data.get("image_size"), model.get("downsampling"))
    changes = " ".join(changed(run))
    length = training(run)
    return what + (f", {length}" if length else "") + (f" ({changes})" if changes else "")


def scale_of_published(row: Published) -> str:
    """`ImageNet 256 px f16, 300 epochs of batch 256`, as far as a source tells."""
    length = row.about(TRAINING)
    return _scale(row.data, row.resolution, row.downsampling) + (f", {length}" if length else "")


def _scale(name: Any, size: Any, downsampling: Any) -> str:
    parts = (str(name or "data unknown"), f"{size} px" if size else "", _factor(downsampling))
    return " ".join(part for part in parts if part)


def _factor(downsampling: Any) -> str:
    return f"f{downsampling}" if downsampling else ""


def changed(run: Run) -> list[str]:
    """What was typed beside the experiment, its data, steps and seed, and can change a number."""
    import yaml

    try:
        typed = yaml.safe_load(run.folder.overrides.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return []
    words = [str(word) for word in typed] if isinstance(typed, list) else []
    return [word.lstrip("+~") for word in words if not _UNTOLD.match(word) and _counts(word)]


def _counts(word: str) -> bool:
    """Whether what was typed can change a number."""
    key = word.lstrip("+~").partition("=")[0]
    names = (key, key.partition(".")[0])
    return not any(fnmatchcase(name, pattern) for name in names for pattern in NOT_IDENTITY)


def _protocol_notes(columns: Sequence[Column], published: Sequence[Published]) -> list[Note]:
    """How others measured each column shown, said once for columns measured alike."""
    found: dict[str, list[str]] = {}
    for column in columns:
        having = [row for row in published if column.key in row.texts]
        texts = _listed("", ((row.about(column.key), row.row) for row in having))
        for note in texts:
            if note.text and not note.text.startswith(" ("):
                found.setdefault(f"published: {note.text}", []).append(column.title)
    return [Note(", ".join(titles), text) for text, titles in found.items()]


def _titles(keys: Sequence[str], columns: Sequence[Column]) -> str:
    return ", ".join(column.title for column in columns if column.key in keys)


def _order_notes(rows: Sequence[Row], columns: Sequence[Column], beside: Beside) -> list[Note]:
    """Spearman's rank correlation of published numbers and our means, scale by scale."""
    scales = _levels(rows, beside)
    notes = []
    for level, members in scales.items():
        single = {name: found[0] for name, found in members.items() if len(found) == 1}
        texts = [text for column in columns if (text := _agreement(column, single, beside))]
        several = sorted(members.keys() - single.keys())
        left = f"; without {', '.join(several)}, run in several ways" if several else ""
        on = f" ({level})" if len(scales) > 1 else ""
        if texts:
            notes.append(Note(f"order of rows{on}", f"Spearman's rho: {', '.join(texts)}{left}"))
    return notes


def _levels(rows: Sequence[Row], beside: Beside) -> dict[str, dict[str, list[Row]]]:
    """Our rows whose order may be compared, by the published row that each repeats.

    They were trained equally long, unless the published ones of their project were not either.
    """
    repeats = [(row, _level(row.runs[0]), name) for row in rows for name in beside.repeated(row)]
    lengths: dict[tuple[str, str], set[str]] = {}
    for _, level, name in repeats:
        length = _PRECISION.sub("", beside.pairs[name].about(TRAINING))
        lengths.setdefault((level, _project(name)), set()).add(length)
    found: dict[str, dict[str, list[Row]]] = {}
    for row, level, name in repeats:
        own = training(row.runs[0])
        alike = own and len(lengths[level, _project(name)]) == 1
        members = found.setdefault(f"{level}, {own}" if alike else level, {})
        members.setdefault(name, []).append(row)
    return found


def _project(name: str) -> str:
    return name.partition("/")[0]


def _level(run: Run) -> str:
    """What runs whose order may be compared share beside their length: data, resolution, scale."""
    data = run.config.get("data") or {}
    scale = [word for word in changed(run) if word.startswith("scale=")]
    return " ".join([_scale(data.get("name"), data.get("image_size"), None), *scale])


def _agreement(column: Column, ours: Mapping[str, Row], beside: Beside) -> str:
    """`PSNR .94 over 8 rows`, "" where rows are too few to have an order."""
    pairs = [
        (printed, own)
        for name, row in ours.items()
        if (printed := beside.pairs[name].value(column.key)) is not None
        and (own := _mean(column, row)) is not None
    ]
    rho = spearman([a for a, _ in pairs], [b for _, b in pairs]) if column.is_metric else None
    return "" if rho is None else f"{column.title} {rho:+.2f} over {len(pairs)} rows"


def _mean(column: Column, row: Row) -> float | None:
    values = [value for result in row.results if (value := column.value(result)) is not None]
    summary = summarize(values)
    return summary.mean if summary and summary.mean == summary.mean else None  # not a NaN
