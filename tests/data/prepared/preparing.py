"""A small data set with unreadable images, prepared, and what ends a preparation at a given moment.

N images of a split, H W pixels, C channels.
"""

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.data.files import write_image
from vqx.data.layouts import find_sources
from vqx.data.prepared import split_writer
from vqx.data.prepared.manifest import Manifest, Storage
from vqx.data.prepared.preparation import prepare_images
from vqx.data.recipe import Recipe

RECIPE = Recipe(3, 8)
TRAIN, VALIDATION = 9, 4


def write_source(root: Path) -> Path:
    """train: 9 images of which 2 are unreadable; validation: 4."""
    for split, count in (("train", TRAIN), ("validation", VALIDATION)):
        for i in range(count):
            path = root / split / f"{i:02}.png"
            write_image(path, height=8 + i % 3, width=8 + i % 5, seed=i + 100 * count)
    (root / "train/02.png").write_bytes(b"")
    (root / "train/06.png").write_bytes((root / "train/06.png").read_bytes()[:60])
    return root


def prepare(source: Path, folder: Path, *, storage: Storage | None = None, **options) -> Manifest:
    """The images of `source` in `folder`, by default in this process, unreadable ones left out."""
    recipe = options.pop("recipe", RECIPE)
    defaults = {"broken": "skip", "workers": 0, "show_progress": False}
    return prepare_images(
        find_sources(None, source),
        folder,
        recipe=recipe,
        storage=storage or Storage(),
        **(defaults | options),
    )


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of `folder`; of the manifest what no clock says."""
    found = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    if "manifest.json" in found:
        found["manifest.json"] = found["manifest.json"].partition(b'"made"')[0]
    return found


def pixels_of(source: Path, split: str, recipe: Recipe = RECIPE) -> list[np.ndarray]:
    """(H, W, C) of every readable image of `split`, in order."""
    found = []
    for path in sorted((source / split).iterdir()):
        try:
            found.append(recipe.pixels(path))
        except Exception:  # as the preparation does
            continue
    return found


class Fault:
    """Ends this process, or the disk, at the operation number `at` on files being written.

    `kind` torn: SIGKILL in the middle of a write, or before another operation; power: SIGKILL
    before it, and what was not synchronized is zeros; full: writes fail from there on.
    """

    def __init__(self, kind: str, at: int) -> None:
        self.kind, self.at, self.count = kind, at, 0
        self._synced: dict[int, int] = {}  # bytes by inode
        self._folders: set[Path] = set()

    def install(self) -> None:
        """Watch the functions that write, of this process for good."""
        for name in ("pwrite", "write", "fsync", "ftruncate", "replace", "unlink"):
            setattr(os, name, self._watched(name, getattr(os, name)))

    def _watched(self, name: str, function: Callable) -> Callable:
        def call(*arguments):
            self.count += 1
            if name in ("pwrite", "write", "ftruncate"):
                self._note(arguments[0], synced=False)
            if self.count >= self.at:
                self._strike(name, function, arguments)
            answer = function(*arguments)
            if name == "fsync":
                self._note(arguments[0], synced=True)
            return answer

        return call

    def _note(self, descriptor: int, *, synced: bool) -> None:
        state = os.fstat(descriptor)
        self._folders.add(Path(f"/proc/self/fd/{descriptor}").readlink().parent)
        if synced or state.st_ino not in self._synced:
            self._synced[state.st_ino] = state.st_size

    def _strike(self, name: str, function: Callable, arguments: tuple) -> None:
        if self.kind == "full":
            if name in ("pwrite", "write"):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return
        if self.kind == "torn" and name in ("pwrite", "write"):
            descriptor, content, *rest = arguments
            function(descriptor, content[: len(content) // 2], *rest)
        if self.kind == "power":
            for path in [path for folder in self._folders for path in folder.iterdir()]:
                state = path.stat()
                synced = self._synced.get(state.st_ino, state.st_size)
                if path.is_file() and state.st_size > synced:
                    os.truncate(path, synced)  # of the content, not of the length
                    os.truncate(path, state.st_size)
        os.kill(os.getpid(), signal.SIGKILL)


def struck(fault: Fault, work: Callable[[], object]) -> int:
    """The exit code of a forked process in which `fault` strikes during `work`; 0: it did not."""
    child = os.fork()
    if not child:
        code = 1
        try:
            split_writer.CHECKPOINT_IMAGES = 3
            fault.install()
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
