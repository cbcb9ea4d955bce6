"""That a run goes on with the images that it began with."""

from collections.abc import Mapping
from pathlib import Path

from vqx.data import Data
from vqx.errors import DataError

Contents = Mapping[str, Mapping[str, str]]  # of training and evaluation: `ImageSet.contents`
# How what differs is put; what is not here is shown as it was and as it is.
_CHANGED = {
    "names": "images were added, removed or renamed",
    "files": "some were changed before the folder was prepared again",
    "pixels": "their pixels are others",
}


def contents_of(data: Data) -> dict[str, dict[str, str]]:
    """What a checkpoint keeps of the images: text by kind, of both sets."""
    return {"training": data.train.contents, "evaluation": data.evaluation.contents}


def check_same_images(then: Contents, data: Data, *, folder: Path) -> None:
    """Raise DataError if `data` differs from what a checkpoint in `folder` was trained on.

    Compared is what both know: another loader of the same images knows other things of them.
    """
    for what, now in contents_of(data).items():
        before = then.get(what, {})
        for kind in now:  # in its order: the first is the plainest
            if before.get(kind, now[kind]) != now[kind]:
                how = _CHANGED.get(kind, f"{before[kind]} then, {now[kind]} now")
                raise DataError(
                    f"the {what} images are not those that the run in {folder} began with ({how}): "
                    f"give it those, or remove {folder} to begin anew"
                )
