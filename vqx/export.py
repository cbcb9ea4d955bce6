"""`python -m vqx.export RUN`: a trained tokenizer in two files that can be passed on.

`model.safetensors` (tensors) and `tokenizer.yaml` (what to build, and where it is from) are all
that `vqx.load` needs; neither can execute anything.
"""

import argparse
import hashlib
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vqx.cli import guarded
from vqx.errors import ConfigError, VqxError

if TYPE_CHECKING:
    from vqx.sources import Source

_DESCRIPTION = """Write a run's tokenizer as model.safetensors and tokenizer.yaml.

  python -m vqx.export results/runs/NAME                  to results/runs/NAME/export
  python -m vqx.export results/runs/NAME out=my_tokenizer
  python -m vqx.export results/runs/NAME allow=mine       a quantizer of yours, in mine.py

It is what the run's evaluation measures: the newest checkpoint, averaged weights where there are
any. Use it in Python:

  tokenizer = vqx.load("my_tokenizer")
  codes = tokenizer.tokenize(images)       uint8 (B, C, H, W), any size
  images = tokenizer.detokenize(codes)"""


def main() -> None:
    """Entry point of `python -m vqx.export` and `vqx-export`."""
    guarded(_export)


def _export() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m vqx.export",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, help="a run folder")
    parser.add_argument("options", nargs="*", help="out=FOLDER, allow=MODULE[,MODULE]")
    arguments = parser.parse_args(sys.argv[1:])
    options = _read_options(arguments.options)
    place = export(
        arguments.run,
        Path(options.get("out") or arguments.run / "export"),
        allow=[name for name in options.get("allow", "").split(",") if name],
    )
    size = sum(file.stat().st_size for file in place.iterdir())
    print(f"{place} ({size / 1e6:.1f} MB)\nvqx.load({str(place)!r}) reads it")


def _read_options(texts: Sequence[str]) -> dict[str, str]:
    options = dict(text.partition("=")[::2] for text in texts)
    for name in options.keys() - {"out", "allow"}:
        raise ConfigError(
            f"'{name}' is no option of vqx.export: it takes out=FOLDER and allow=MODULE"
        )
    return options


def export(run: Path, place: Path, *, allow: Sequence[str] = ()) -> Path:
    """Write the tokenizer of the folder `run` to the folder `place`, whole or not at all.

    An earlier export is replaced. Raises VqxError when `place` holds anything else.
    """
    from vqx.sources import DESCRIPTION, WEIGHTS, build, read_source

    _refuse_foreign(place, {DESCRIPTION, WEIGHTS})
    source = read_source(run, allow=allow)
    build(source)  # what cannot be loaded again must not be written
    tensors = _as_bytes(source)
    temporary = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        _write(temporary / WEIGHTS, tensors)
        text = _described(source, run, hashlib.sha256(tensors).hexdigest())
        _write(temporary / DESCRIPTION, text.encode())
        _put(temporary, place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return place


def _refuse_foreign(place: Path, ours: set[str]) -> None:
    if not place.exists() and not place.is_symlink():
        return
    found = {file.name for file in place.iterdir()} if place.is_dir() else {"no folder"}
    if place.is_symlink() or (found and (found - ours or "tokenizer.yaml" not in found)):
        others = ", ".join(sorted(found - ours)[:3]) or "no tokenizer.yaml"
        raise VqxError(
            f"{place} is no exported tokenizer ({others}) and stays as it is: give a new folder "
            "with out=FOLDER"
        )


def _as_bytes(source: "Source") -> bytes:
    """All tensors; those that share memory or lie otherwise in it are written plainly."""
    from safetensors.torch import save

    plain = {
        name: tensor.detach().cpu().contiguous().clone() for name, tensor in source.state.items()
    }
    data: bytes = save(plain, metadata={"format": "pt"})
    return data


def _described(source: "Source", run: Path, digest: str) -> str:
    import yaml

    import vqx
    from vqx.runs.folder import RunFolder
    from vqx.sources import FORMAT, WEIGHTS

    result = RunFolder(run).read_result()
    same = result is not None and result["cost"]["steps"] == source.about.get("step")
    metrics = {key: m["value"] for key, m in result["metrics"].items()} if same and result else {}
    about = {**source.about, "vqx": vqx.__version__, **({"metrics": metrics} if metrics else {})}
    description: dict[str, Any] = {
        "format": FORMAT,
        "name": source.name,
        "model": source.model,
        "quantizer": source.quantizer,
        "image_channels": source.image_channels,
        "pixel_levels": source.pixel_levels,
        "channels_last": source.channels_last,
        "sha256": digest,
        "about": about,
    }
    head = f"# A tokenizer of vqx: vqx.load reads this folder. sha256 is that of {WEIGHTS}.\n"
    return head + yaml.safe_dump(description, sort_keys=False, allow_unicode=True)


def _write(path: Path, data: bytes) -> None:
    from vqx.runs.files import atomic_file

    with atomic_file(path) as file:
        file.write(data)


def _put(temporary: Path, place: Path) -> None:
    """Rename `temporary` to `place`; an export that is there makes way for an instant."""
    old = place.with_name(f".{place.name}.{os.getpid()}.old")
    if place.exists():
        place.rename(old)
    try:
        temporary.rename(place)
    except OSError:
        if old.exists():
            old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)


if __name__ == "__main__":
    main()
