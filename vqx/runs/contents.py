"""What a reader of many runs takes from a run folder: four files, with the stamps that tell them
from what they were before."""

import os
import stat
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vqx.runs.config_text import ConfigParser, union
from vqx.runs.record_text import RecordParser
from vqx.runs.shapes import fault_in

CONFIG, STATUS, RESULT, ENVIRONMENT = range(4)
NAMES = ("config.yaml", "status.json", "result.json", "environment.json")
# Of a file: time of change, of modification (both in nanoseconds), bytes and inode. Nobody can set
# the time of change; zeros stand for no file.
_STAMP = 4
_ABSENT = (0,) * _STAMP

NO_FAULTS = ("",) * len(NAMES)


class Contents(NamedTuple):
    """The stamps of the files in NAMES, one after the other, and of each file what it says (None
    without it) and what is wrong with it."""

    stamps: list[int]
    files: tuple[dict[str, Any] | None, ...]
    faults: tuple[str, ...]


def stamps_in(folder: str) -> list[int] | None:
    """The stamps of the files of a run folder as they are now; None where one cannot be asked."""
    stamps: list[int] = []
    for name in NAMES:
        try:
            stamps += _stamp(os.stat(f"{folder}/{name}"))
        except FileNotFoundError:
            stamps += _ABSENT
        except OSError:
            return None
    return stamps


def changed_at(stamps: Sequence[int]) -> int:
    """When the last of the files was changed, in nanoseconds since 1970."""
    return max(stamps[::_STAMP])


def _stamp(found: os.stat_result) -> tuple[int, ...]:
    return found.st_ctime_ns, found.st_mtime_ns, found.st_size, found.st_ino


class FolderReader:
    """Reads run folders, parsing once what they share; see ConfigParser and RecordParser."""

    def __init__(self) -> None:
        self._configs = ConfigParser()
        self._records = RecordParser()

    def read(self, folder: str, *, but: Container[int] = ()) -> Contents:
        """The files of one folder, `but` some. Never raises for what the folder holds."""
        files = [
            (_ABSENT, None, "") if i in but else self._file(f"{folder}/{name}", name)
            for i, name in enumerate(NAMES)
        ]
        stamps, said, faults = zip(*files, strict=True)
        return Contents([number for stamp in stamps for number in stamp], said, faults)

    def _file(self, path: str, name: str) -> tuple[tuple[int, ...], dict[str, Any] | None, str]:
        is_config = name == NAMES[CONFIG]
        try:
            stamp, content = _read(path)
        except FileNotFoundError:
            return _ABSENT, None, ""
        except OSError as error:
            alone = f"{name} cannot be read ({error})"
            named = f"{path} cannot be read ({error.strerror})"
            return _ABSENT, None, alone if is_config else named
        try:
            said = union(self._config(content) if is_config else self._records.parse(content))
            if fault := fault_in(name, said):
                raise ValueError(fault)
            return stamp, said, ""
        except UnicodeDecodeError as error:
            alone = f"{name} cannot be read ({error})"
            return stamp, None, alone if is_config else _damaged(path, error)
        except ValueError as error:
            alone = f"{name} is damaged ({error})"
            return stamp, None, alone if is_config else _damaged(path, error)

    def _config(self, content: bytes) -> tuple[dict[str, Any], ...]:
        text = content.decode()
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        return self._configs.parse(text)


def _damaged(path: str, error: ValueError) -> str:
    return f"{path} is damaged ({error}): delete it and run again"


def _read(path: str) -> tuple[tuple[int, ...], bytes]:
    """A file and the stamp of just that content, or of an older one, never of a newer.

    Raises OSError for what is no plain file: a pipe would never end.
    """
    # Not `open`, which takes twice as long; and a pipe without a writer must not block.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            if stat.S_ISDIR(found.st_mode):
                raise IsADirectoryError(21, os.strerror(21), path)
            raise OSError(22, "no plain file", path)
        # One byte more than there are: a file that ends there needs no second look.
        content = os.read(descriptor, found.st_size + 1)
        if len(content) != found.st_size:
            content = Path(path).read_bytes()
        return _stamp(found), content
    finally:
        os.close(descriptor)
