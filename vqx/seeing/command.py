"""What `vqx.evaluate` does with `images=...` and with `plots=true`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from vqx.errors import ConfigError
from vqx.loading import load
from vqx.seeing.evaluation_set import plot_evaluation_set
from vqx.seeing.gallery import Gallery
from vqx.seeing.options import Options
from vqx.seeing.own_images import find_images
from vqx.seeing.tiles import TILE


def show_images(run: Path, options: Options, overrides: Sequence[str]) -> int:
    """Pictures and a printed table of the user's own images; 1 if one of them is unreadable."""
    given = dict(text.partition("=")[::2] for text in overrides)
    device = given.pop("trainer.device", "auto")
    if given:
        raise ConfigError(
            f"'{next(iter(given))}' means nothing for images=...: beside out, codes, tile and "
            "allow there is trainer.device"
        )
    assert options.images is not None
    images = find_images(options.images)
    tokenizer = load(run, _device(device), allow=options.allow)
    place = _place(run, options)
    gallery = Gallery(tokenizer, place, options.tile or TILE, save_codes=options.codes)
    notes = gallery.show(images)
    print("\n".join(["", gallery.table(), "", *notes, str(place)]))
    if gallery.broken:
        print(f"{len(gallery.broken)} of {len(images)} images left out", file=sys.stderr)
    return 1 if gallery.broken else 0


def show_codebook(run: Path, options: Options, config: dict[str, Any]) -> int:
    """The plot of the codebook's entries, by use on the evaluation set of `config`'s data."""
    tokenizer = load(run, _device(config["trainer"]["device"]), allow=options.allow)
    place = _place(run, options)
    notes = plot_evaluation_set(tokenizer, config, place)
    print("\n".join([*notes, str(place)]))
    return 0


def _device(name: str) -> str:
    if name != "auto":
        return name
    return "cuda" if torch.cuda.is_available() else "cpu"


def _place(run: Path, options: Options) -> Path:
    """Where pictures go: an exported folder holds nothing but its two files."""
    if options.out is not None:
        return options.out
    if (run / "config.yaml").is_file():
        return run / "pictures"
    return run.resolve().with_name(f"{run.resolve().name}-pictures")
