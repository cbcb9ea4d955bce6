"""Where runs are: folders of them, run folders, and patterns of either."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple


class Place(NamedTuple):
    """A folder that may be a run's: as it was found, and its name and its parent's real path."""

    path: Path
    name: str
    parent: str


def find_places(places: Iterable[str]) -> list[Place]:
    """Folders in folders of runs, and run folders themselves, as they are or by glob pattern.

    Each once, sorted within its own folder of runs. One of runs that cannot be listed stands for
    itself, so that whoever reads it says why.
    """
    found: dict[tuple[str, str], Place] = {}
    for place in places:
        for text in sorted(glob.glob(str(Path(place).expanduser()))):
            for one in _places_at(Path(text)):
                found.setdefault((one.parent, one.name), one)
    return list(found.values())


def run_folders(places: Iterable[str]) -> list[Path]:
    """The paths of `find_places`."""
    return [place.path for place in find_places(places)]


def _places_at(path: Path) -> Iterator[Place]:
    if _exists(path / "config.yaml"):
        yield _alone(path)
        return
    try:
        with os.scandir(path) as entries:
            names = sorted((e.name, e.is_symlink()) for e in entries if _may_be_run(e))
    except NotADirectoryError:
        return
    except OSError:
        yield _alone(path)
        return
    parent = os.path.realpath(path)
    for name, is_link in names:
        yield _alone(path / name) if is_link else Place(path / name, name, parent)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a folder that may not be looked into
        return False


def _may_be_run(entry: "os.DirEntry[str]") -> bool:
    try:
        return not entry.name.startswith((".", "_")) and entry.is_dir()
    except OSError:  # a link to itself
        return False


def _alone(path: Path) -> Place:
    parent, name = os.path.split(os.path.realpath(path))
    return Place(path, name, parent)
