"""The pixels of a folder of images, decoded and resized once, kept in the cache."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from vqx.data.file_lock import locked
from vqx.data.prepared.identity import identity_of
from vqx.data.prepared.manifest import MANIFEST, Storage, read_manifest
from vqx.data.prepared.pixel_store import open_store
from vqx.data.prepared.preparation import prepare_images
from vqx.data.recipe import Recipe
from vqx.data.sources import ImageSource
from vqx.errors import DataError, NoRoom

_STORAGE = Storage(format="memmap")


def cached_store(
    sources: Mapping[str, ImageSource],
    cache_dir: Path,
    *,
    recipe: Recipe,
    broken: Literal["stop", "skip"],
    workers: int | None = None,
) -> Path:
    """The prepared folder of `sources` below `cache_dir`, made now if it is not there yet.

    Named by the names, sizes and times of change of the files and by `recipe`. One process of all
    that ask makes it, the others wait; one that was ended in the middle is gone on with, and one
    that was damaged since is made anew. Raises DataError where it cannot be made.
    """
    identity = json.dumps(identity_of(sources, recipe, _STORAGE), sort_keys=True)
    place = cache_dir.expanduser() / "data" / "prepared"
    folder = place / hashlib.sha256(identity.encode()).hexdigest()[:20]
    if _is_whole(folder, recipe):  # the usual case needs no lock, nor a cache that can be written
        return folder
    try:
        place.mkdir(parents=True, exist_ok=True)
        with locked(place / f"{folder.name}.lock"):
            if _is_whole(folder, recipe):
                return folder
            if (folder / MANIFEST).exists():
                shutil.rmtree(folder)
            prepare_images(
                sources, folder, recipe=recipe, storage=_STORAGE, broken=broken, workers=workers
            )
    except (OSError, NoRoom) as error:
        raise NoRoom(
            f"the images cannot be kept in {place} ({error}): set cache_dir to a folder that can "
            "be written, or data.loader=folder"
        ) from error
    return folder


def _is_whole(folder: Path, recipe: Recipe) -> bool:
    try:
        manifest = read_manifest(folder)
        if manifest is None:
            return False
        for split in manifest.splits:
            open_store(folder, split, channels=recipe.channels, in_memory=False)
    except DataError:
        return False
    return True
