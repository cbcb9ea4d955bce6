"""What run folders held when they were last read: a cache in `.index.json` beside them.

It keeps what files said, each with the stamp of the file, and never a run's state, which depends on
locks and time. Deleting or damaging it changes nothing but the time that reading takes; where the
folder of runs cannot be written to, it is in the cache of weights and data.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from vqx.errors import VqxError
from vqx.runs.contents import NO_FAULTS, STATUS, Contents, FolderReader, changed_at, stamps_in
from vqx.runs.files import write_text_atomic
from vqx.runs.index_text import IndexReader, IndexWriter
from vqx.runs.places import Place
from vqx.runs.status import State

FEWEST = 200  # folders that an index pays for
SETTLED_SECONDS = 2.0  # since a file's last change: another change then shows in its stamp
_NEW_SHARE = 50  # written again when one entry in so many is new or gone: that takes time, too
_NAME = ".index.json"
_CODE = ("config_text", "contents", "index", "index_text", "record_text", "shapes")


def read_indexed(places: Sequence[Place]) -> Iterator[tuple[Place, Contents]]:
    """What each of the folders holds; from the index of its parent where that is up to date."""
    reader = FolderReader()
    counts: dict[str, int] = {}
    for place in places:
        counts[place.parent] = counts.get(place.parent, 0) + 1
    indexes = {parent: Index(parent) for parent, count in counts.items() if count >= FEWEST}
    for place in places:
        index, folder = indexes.get(place.parent), str(place.path)
        known = None if index is None else index.find(place.name, folder)
        if known is None:
            known = reader.read(folder)
            if index is not None:
                index.add(place.name, known)
        yield place, known
    for index in indexes.values():
        index.save()


class Index:
    """The index of one folder of runs: read from disk, added to, and written back."""

    def __init__(self, parent: str) -> None:
        self._parent = parent
        self._young = time.time_ns() - int(SETTLED_SECONDS * 1e9)
        self._known = IndexReader(_loaded(parent))
        self._new: dict[str, Contents] = {}
        self._gone: set[str] = set()

    def find(self, name: str, folder: str) -> Contents | None:
        """What the files in `folder` say, if it is known and they have not been touched since."""
        stamps = self._known.stamps(name)
        if stamps is None or stamps_in(folder) != stamps:
            return None
        return Contents(stamps, self._known.files(name), NO_FAULTS)

    def add(self, name: str, contents: Contents) -> None:
        """Note what was read, if it will still be true when the stamps are the same."""
        self._gone.add(name)
        status = contents.files[STATUS] or {}
        settled = changed_at(contents.stamps) < self._young and status.get("state") != State.RUNNING
        if settled and not any(contents.faults):
            self._new[name] = contents

    def save(self) -> None:
        """Write the index if enough is new. Where that cannot be done, there is none next time."""
        if len(self._new) * _NEW_SHARE <= len(self._known):
            return
        writer = IndexWriter()
        for name in self._known:
            if name not in self._gone and os.path.isdir(f"{self._parent}/{name}"):
                writer.add(name, self._known.stamps(name) or [], self._known.files(name))
        for name, contents in self._new.items():
            writer.add(name, contents.stamps, contents.files)
        body = writer.text()
        path = _places(self._parent)[0]
        with suppress(OSError, VqxError):  # a full disk, a read-only place: it is only a cache
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text_atomic(path, f"{_header(body)}\n{body}", durable=False)


def _loaded(parent: str) -> Mapping[str, Any]:
    for path in _places(parent):
        with suppress(OSError, ValueError):
            header, _, body = path.read_text("ascii").partition("\n")
            if header == _header(body):
                record: Mapping[str, Any] = json.loads(body)
                return record
    return {"members": [], "bases": [], "runs": {}}


def _places(parent: str) -> list[Path]:
    """Where the index of a folder of runs is looked for; the first is where it is written."""
    beside = Path(parent) / _NAME
    if os.access(parent, os.W_OK):
        return [beside]
    root = Path(os.environ.get("VQX_CACHE") or "~/.cache/vqx").expanduser()
    return [root / "runs" / f"{hashlib.sha256(parent.encode()).hexdigest()[:16]}.json", beside]


def _header(body: str) -> str:
    """What the first line must be: damage would show in it, and code that reads otherwise."""
    return f"vqx index {_code()} {hashlib.sha256(body.encode()).hexdigest()}"


@cache
def _code() -> str:
    digest = hashlib.sha256()
    for name in _CODE:
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return digest.hexdigest()[:12]
