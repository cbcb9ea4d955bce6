"""Names of the images of a split, in little memory. N names."""

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np


class Names(Sequence[str]):
    """An immutable list of N names as one run of bytes and where each of them ends.

    Takes and sends to another process the bytes of the names and 4 for each (8 over 4 GiB), where
    a list of str takes about 90; forked processes go on sharing it, as it counts no references.
    """

    __slots__ = ("_ends", "_text")

    def __init__(self, names: Iterable[str]) -> None:
        encoded = [name.encode("utf-8", "surrogateescape") for name in names]
        ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
        self._ends = ends.astype(np.min_scalar_type(ends[-1]))  # (N + 1,)
        self._text = b"".join(encoded)

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        place = range(len(self))[index]  # IndexError and negative places as of a list
        start, stop = self._ends[place : place + 2].tolist()
        return self._text[start:stop].decode("utf-8", "surrogateescape")

    def __iter__(self) -> Iterator[str]:
        start = 0
        for stop in self._ends[1:].tolist():
            yield self._text[start:stop].decode("utf-8", "surrogateescape")
            start = stop

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Names):
            return self._text == other._text and np.array_equal(self._ends, other._ends)
        return isinstance(other, Sequence) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return f"Names({list(self[:3])}{', ...' if len(self) > 3 else ''}, {len(self)} names)"
