"""Our rows named by the published rows that they repeat."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from vqx.reporting.columns import Column, columns_of
from vqx.reporting.frame import Frame, Row, build_frame, knobs_of, natural, seed_of
from vqx.reporting.labels import name_runs
from vqx.reporting.published import COSTS, TITLES, Published
from vqx.runs.reading import Run

# Endings of the keys that tell two runs of one row apart best, in order.
_TELLING = ("data", "image_size", "steps", "batch_size")


@dataclass(frozen=True, slots=True)
class Beside:
    """What stands under our rows: `published` in order, and which of them each label repeats.

    `unsaid`: what holds for rows without a published one whose label does not say otherwise.
    """

    published: tuple[Published, ...]
    repeats: Mapping[str, tuple[str, ...]]
    unsaid: Mapping[str, str]

    def repeated(self, row: Row) -> tuple[str, ...]:
        """The published rows that a row of ours repeats."""
        return self.repeats.get(row.label, ())

    @property
    def pairs(self) -> Mapping[str, Published]:
        """Published rows by name."""
        return {row.row: row for row in self.published}


def name_by_published(
    frame: Frame, published: Sequence[Published], *, separate_seeds: bool = False
) -> tuple[Frame, Beside]:
    """`frame` with rows named by what they repeat, in the order of `published`, others after them.

    Rows stay as they are grouped; those that repeat one thing are told apart by what differs.
    """
    order = {row.row: place for place, row in enumerate(published)}
    repeats = [_repeated(row, order) for row in frame.rows]
    if not any(repeats):
        return frame, Beside(tuple(published), {}, {})
    labels = _labels(frame.rows, repeats, separate_seeds=separate_seeds)
    plain = [row for row, known in zip(frame.rows, repeats, strict=True) if not known]
    others = build_frame([run for row in plain for run in row.runs], separate_seeds=separate_seeds)
    usual = {_identity(row): row.label for row in others.rows}
    rows = [
        replace(row, label=label or usual[_identity(row)])
        for row, label in zip(frame.rows, labels, strict=True)
    ]
    named = {row.label: known for row, known in zip(rows, repeats, strict=True) if known}
    places = {label: order[known[0]] for label, known in named.items()}
    rows.sort(key=lambda row: (places.get(row.label, len(order)), natural(row.label)))
    beside = Beside(tuple(published), named, others.unsaid)
    return Frame("row", tuple(rows), {}, frame.common), beside


def _repeated(row: Row, known: Mapping[str, int]) -> tuple[str, ...]:
    """Published rows that the runs of a row say they repeat, in the order of `known`."""
    names = {str(run.config.get("row")) for run in row.runs}
    return tuple(sorted(names & known.keys(), key=known.__getitem__))


def _identity(row: Row) -> str:
    return str(row.runs[0].folder.path)


def _labels(
    rows: Sequence[Row], repeats: Sequence[tuple[str, ...]], *, separate_seeds: bool
) -> list[str]:
    """Names of rows by what they repeat; "" for a row that repeats nothing."""
    labels = [" = ".join(known) for known in repeats]
    for name in dict.fromkeys(filter(None, labels)):
        members = [i for i, label in enumerate(labels) if label == name]
        for i, rest in zip(members, _rests([rows[i] for i in members]), strict=True):
            labels[i] = f"{name} {rest}".rstrip()
            if separate_seeds:
                labels[i] += f" seed={seed_of(rows[i].runs[0])}"
    counts = Counter(labels)
    return [
        f"{label} ({row.runs[0].signature})" if label and counts[label] > 1 else label
        for row, label in zip(rows, labels, strict=True)
    ]


def _rests(rows: Sequence[Row]) -> list[str]:
    """`steps=400 beta=1` for each row: the fewest keys that tell all rows apart."""
    runs = [row.runs[0] for row in rows]
    texts = name_runs([_knobs(run) for run in runs]).varying
    keys = list({key: None for text in texts for key in text})
    keys.sort(key=lambda key: _TELLING.index(key) if key in _TELLING else len(_TELLING))
    chosen: list[str] = []
    found = 1
    while keys:
        counts = [len(set(_chosen(texts, [*chosen, key]))) for key in keys]
        if max(counts) == found:
            break
        found = max(counts)
        chosen.append(keys.pop(counts.index(found)))
    return [" ".join(said for said in parts if said) for parts in _chosen(texts, chosen)]


def _knobs(run: Run) -> dict[str, object]:
    return knobs_of(run.config)


def _chosen(texts: Sequence[Mapping[str, str]], keys: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(f"{key}={text[key]}" if key in text else "" for key in keys) for text in texts]


def columns_beside(
    results: Sequence[Mapping[str, object]], published: Sequence[Published]
) -> list[Column]:
    """All columns of our results, and of what others printed; what those cost comes last."""
    printed = {key: None for row in published for key in row.texts}
    plain = {column.key for column in columns_of([])}
    extra: dict[str, dict[str, object]] = {key: {} for key in printed if key not in plain}
    ours = {column.key for column in columns_of(results)}
    found = [
        column if column.key in ours else _printed_column(column)
        for column in columns_of([*results, {"metrics": {**extra, **_metrics(results)}}])
    ]
    return sorted(found, key=lambda column: column.key in COSTS)


def _metrics(results: Sequence[Mapping[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for result in results:
        metrics = result.get("metrics")
        found.update(metrics if isinstance(metrics, Mapping) else {})
    return found


def _printed_column(column: Column) -> Column:
    """A column that only others have: none of our rows lacks it."""
    title, better = TITLES.get(column.key, (column.title, column.better))
    return replace(column, title=title, better=better, by_nature=True, stands_for="")
