"""What a preparation is of: equal identities mean equal bytes."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import PIL

from vqx.data.prepared.manifest import Manifest, Storage, read_manifest
from vqx.data.recipe import Recipe
from vqx.data.sources import ImageSource
from vqx.errors import DataError

Identity = dict[str, Any]


def identity_of(sources: Mapping[str, ImageSource], recipe: Recipe, storage: Storage) -> Identity:
    """The identity of what is asked for, as plain values of JSON."""
    splits = {
        split: {"images": len(source), "fingerprint": source.fingerprint()}
        for split, source in sources.items()
    }
    return {
        "recipe": recipe.to_dict(),
        "storage": asdict(storage),
        "sources": splits,
        "pillow": PIL.__version__,  # another one may decode or resize otherwise
    }


def already_prepared(folder: Path, identity: Identity) -> Manifest | None:
    """The manifest of `folder` if it is prepared so, None if it is not prepared.

    Raises DataError naming what differs if it is prepared otherwise.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        return None
    if found := list(differences(_identity_in(manifest), identity)):
        raise DataError(
            f"{folder} is prepared otherwise ({'; '.join(found)}): choose another folder, or "
            "delete this one"
        )
    return manifest


def _identity_in(manifest: Manifest) -> Identity:
    splits = {
        name: {"images": split.images, "fingerprint": split.source_fingerprint}
        for name, split in manifest.splits.items()
    }
    return {"recipe": manifest.recipe, "storage": asdict(manifest.storage), "sources": splits}


def differences(there: Identity, asked: Identity) -> Iterator[str]:
    """How `asked` differs from what is `there`, in words."""
    for part in ("recipe", "storage"):
        for key in {**there[part], **asked[part]}:
            old, new = (str(side[part].get(key)) for side in (there, asked))
            if old != new:
                name = "max_resolution" if key == "load_size" else key
                yield f"{name}={old} there, {new} asked for"
    yield from _source_differences(there["sources"], asked["sources"])
    if "pillow" in there and there["pillow"] != asked["pillow"]:
        yield f"Pillow {there['pillow']} there, {asked['pillow']} here"


def _source_differences(there: Mapping[str, Any], asked: Mapping[str, Any]) -> Iterator[str]:
    if list(there) != list(asked):
        yield f"splits {', '.join(there)} there, {', '.join(asked)} asked for"
        return
    for split, images in asked.items():
        old, new = there[split]["images"], images["images"]
        if old != new:
            yield f"{old} {split} images there, {new} asked for"
        elif there[split]["fingerprint"] != images["fingerprint"]:
            yield f"the {split} images have other names, sizes or times of change"
