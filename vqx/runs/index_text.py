"""The text of an index of run folders: what most runs say is in it once, then who differs how."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from vqx.runs.contents import CONFIG

_encode = json.JSONEncoder(separators=(",", ":")).encode
_RARE = 1  # a member that no more have is written with its run
Record = dict[str, Any]
# A file: the number of its base, those of the members that it has instead, members of its own, and
# the values of its metrics, which are no two runs' and are left out of the member `metrics`.
Delta = tuple[int, list[int], Record, list[Any]]
_METRICS = "metrics"


class _File(NamedTuple):
    """The numbers of a file's members, and the values of its metrics."""

    numbers: tuple[int, ...]
    values: list[Any]


class IndexWriter:
    """Gathers run folders and gives them as the JSON that `IndexReader` takes.

    Files with the same keys, in order, share a base, in which each member is the most usual one.
    """

    def __init__(self) -> None:
        self._members = _Members()
        self._runs: list[tuple[str, list[int], list[_File | None]]] = []

    def add(self, name: str, stamps: list[int], files: Sequence[Record | None]) -> None:
        """One run folder; left out if its configuration holds what JSON cannot."""
        found: list[_File | None] = []
        for place, record in enumerate(files):
            is_yaml = place == CONFIG  # where a value may be what JSON cannot say
            values, bare = ([], record or {}) if is_yaml else _apart(record or {})
            numbers = self._members.of(bare, is_yaml=is_yaml)
            if numbers is None:
                return
            found.append(None if record is None else _File(numbers, values))
        self._runs.append((name, stamps, found))

    def text(self) -> str:
        """All of it, in one line of ASCII."""
        files = [file.numbers for _, _, found in self._runs for file in found if file is not None]
        bases = _Bases(self._members.keys, files)
        counts = Counter(number for numbers in files for number in numbers)
        common = [number for number, count in counts.items() if count > _RARE]
        places = {number: place for place, number in enumerate(common)}
        runs = []
        for name, stamps, found in self._runs:
            deltas = ["null" if f is None else self._delta(f, bases, places) for f in found]
            runs.append(f"{_encode(name)}:[{_encode(stamps)},{','.join(deltas)}]")
        members = ",".join(self._members.record([number]) for number in common)
        usual = ",".join(self._members.record(numbers) for numbers in bases.all)
        return f'{{"members":[{members}],"bases":[{usual}],"runs":{{{",".join(runs)}}}}}'

    def _delta(self, file: _File, bases: "_Bases", places: Mapping[int, int]) -> str:
        place, base = bases.of(file.numbers)
        others = [n for n, usual in zip(file.numbers, base, strict=True) if n != usual]
        shared = ",".join(str(places[n]) for n in others if n in places)
        own = self._members.record(n for n in others if n not in places)
        return f"[{place},[{shared}],{own},{_encode(file.values)}]"


def _apart(record: Record) -> tuple[list[Any], Record]:
    """The values of a record's metrics, and the record without them; [] and all of it otherwise."""
    metrics = record.get(_METRICS)
    entries = [*metrics.values()] if isinstance(metrics, dict) else []
    if not all(isinstance(entry, dict) and "value" in entry for entry in entries):
        return [], record
    if not isinstance(metrics, dict) or not entries:
        return [], record
    bare = {key: {**entry, "value": None} for key, entry in metrics.items()}
    return [entry["value"] for entry in entries], {**record, _METRICS: bare}


class _Members:
    """Keys with their values, each distinct one under a number."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.keys: list[str] = []
        self._numbers: dict[str, int] = {}
        self._seen: dict[tuple[str, int], tuple[Any, int]] = {}  # keeps the value, so the id is its

    def of(self, record: Record, *, is_yaml: bool) -> tuple[int, ...] | None:
        """The numbers of a record's members; None for a YAML mapping that JSON would change."""
        numbers = []
        for key, value in record.items():
            seen = self._seen.get((key, id(value)))
            if seen is None:
                text = _text(key, value, is_yaml=is_yaml)
                if text is None:
                    return None
                seen = value, self._number(key, text)
                self._seen[key, id(value)] = seen
            numbers.append(seen[1])
        return tuple(numbers)

    def record(self, numbers: Iterable[int]) -> str:
        """The JSON object of some members."""
        return f"{{{','.join(self.texts[number] for number in numbers)}}}"

    def _number(self, key: str, text: str) -> int:
        number = self._numbers.get(text)
        if number is None:
            number = self._numbers[text] = len(self.texts)
            self.texts.append(text)
            self.keys.append(key)
        return number


def _text(key: Any, value: Any, *, is_yaml: bool) -> str | None:
    """`"key":value` in JSON; None if it would not come back the same: dates, keys that are no text.

    What came from JSON does.
    """
    try:
        text = _encode({key: value})
    except (TypeError, ValueError):
        return None
    if is_yaml and repr(json.loads(text)) != repr({key: value}):
        return None
    return text[1:-1]


class _Bases:
    """For each sequence of keys the members that files with it have most."""

    def __init__(self, keys: Sequence[str], files: Iterable[tuple[int, ...]]) -> None:
        self._keys = keys
        alike: dict[tuple[str, ...], list[tuple[int, ...]]] = {}
        for numbers in files:
            alike.setdefault(self._keys_of(numbers), []).append(numbers)
        self._places = {keys: place for place, keys in enumerate(alike)}
        self.all = [_usual(each) for each in alike.values()]

    def of(self, numbers: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
        """The base of a file with these members: its place and its own members."""
        place = self._places[self._keys_of(numbers)]
        return place, self.all[place]

    def _keys_of(self, numbers: tuple[int, ...]) -> tuple[str, ...]:
        return tuple(map(self._keys.__getitem__, numbers))


def _usual(files: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(Counter(column).most_common(1)[0][0] for column in zip(*files, strict=True))


class IndexReader:
    """What an IndexWriter wrote, taken apart one run folder at a time."""

    def __init__(self, record: Mapping[str, Any]) -> None:
        self._members: list[Record] = record["members"]
        self._bases: list[Record] = record["bases"]
        self._runs: dict[str, list[Any]] = record["runs"]

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[str]:
        return iter(self._runs)

    def stamps(self, name: str) -> list[int] | None:
        """The stamps of a run folder's files, None if it is not in the index."""
        found = self._runs.get(name)
        return None if found is None else found[0]

    def files(self, name: str) -> tuple[Record | None, ...]:
        """What the files of a run folder of the index say."""
        _, *deltas = self._runs[name]
        return tuple([None if delta is None else self._record(delta) for delta in deltas])

    def _record(self, delta: Delta) -> Record:
        base, shared, own, values = delta
        record = self._bases[base].copy()
        for number in shared:
            record.update(self._members[number])
        record.update(own)
        if values:
            named = zip(record[_METRICS].items(), values, strict=True)
            record[_METRICS] = {key: {**entry, "value": value} for (key, entry), value in named}
        return record
