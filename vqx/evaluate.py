"""`python -m vqx.evaluate RUN`: measure a run again, or see what its tokenizer does.

Without further arguments result.json is written anew; with `data=...` the run is measured on
another data set, and the answer goes to evaluations/ in the run folder. `images=...` reconstructs a
user's own pictures, `plots=true` draws the codebook.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vqx.cli import guarded
from vqx.errors import ConfigError, VqxError

if TYPE_CHECKING:
    from vqx.runs.folder import RunFolder

_DESCRIPTION = """Measure a run again, or look at what its tokenizer does. Three ways:

  python -m vqx.evaluate RUN [OVERRIDE ...]              metrics, from the newest checkpoint
  python -m vqx.evaluate RUN images=PLACE [OPTION ...]   your own pictures
  python -m vqx.evaluate RUN plots=true [OVERRIDE ...]   the codebook on the evaluation set

Metrics
  python -m vqx.evaluate results/runs/NAME               writes result.json anew, and
                                                         per_image.npz and codebook.npz
  python -m vqx.evaluate results/runs/NAME data=cifar10  on another data set: to evaluations/
  python -m vqx.evaluate results/runs/NAME metrics=fast data.image_size=32 data=cifar10
  OVERRIDE: those of vqx.train for the groups data and metrics, and trainer.device,
  trainer.evaluation_batch_size, cache_dir.

Your own pictures: png, jpg, jpeg, bmp, webp of any size and mode; RUN may be an exported folder
  images=PLACE[,PLACE]  files, folders (with all below them) or patterns in quotes
  out=FOLDER            default RUN/pictures (NAME-pictures beside an exported folder NAME)
  codes=true            also codes/*.npz: `codes` and the `size` for tokenizer.detokenize
  tile=1024             larger images than tile x tile pixels are cut into tiles with margins
  trainer.device=cpu    cpu, cuda or auto
  They are reconstructed from their codes, at full size, into:
  panels/*.png       input, reconstruction, difference (x3), one file an image
  code_maps/*.png    the codes as colours: near entries in near colours, and a colour a code
  contact_sheet.png  input, reconstruction and codes of all images (the first 60)
  embeddings.png     see below
  images.csv         the table that is printed: file, size, codes, bits per pixel, PSNR
  A file that cannot be read is named and left out; the exit code is then 1, after all others.
  Memory: 1 GB for model=conv, 2 GB for model=resnet, plus some 65 bytes a pixel of the image; a
  smaller tile takes less.
  A tile's margin is at least 64 pixels and 8 codes. Networks that see further, by attention or
  group normalization, give a tile the codes of a smaller picture: raise tile to have it whole.

The codebook: embeddings.png
  The entries (those of FSQ and its like decoded from their codes; up to 65,536) by PCA, and by
  UMAP beside it where umap-learn is installed. Colour: how often a code is used, on the images
  given or on the evaluation set; unused codes are grey.

A run folder of somebody else cannot run code: only parts of vqx are built. allow=MODULE[,MODULE]
permits modules of yours, for a quantizer or model that is not vqx's. But its data node may read any
folder as pictures, and write to its cache_dir: look at them in config.yaml, or type data=..."""
_ALLOWED = ("data", "metrics", "cache_dir", "trainer.device", "trainer.evaluation_batch_size")


def main() -> None:
    """Entry point of `python -m vqx.evaluate` and `vqx-evaluate`."""
    guarded(_evaluate)


def _evaluate() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m vqx.evaluate",
        usage="python -m vqx.evaluate RUN [KEY=VALUE ...]",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, help="a run folder")
    parser.add_argument("overrides", nargs="*", help="KEY=VALUE, see above")
    arguments = parser.parse_args(sys.argv[1:])
    from vqx.seeing.options import Options

    options, overrides = Options.read(arguments.overrides)
    if options.images is not None:
        from vqx.seeing.command import show_images

        return show_images(arguments.run, options, overrides)
    if options.plots:
        config = _trusted(arguments.run, overrides, options.allow)
        from vqx.seeing.command import show_codebook

        return show_codebook(arguments.run, options, config)
    _measure(arguments.run, overrides, options.allow)
    return 0


def _measure(run: Path, overrides: list[str], allow: Sequence[str]) -> None:
    """Compute the metrics anew and write them down."""
    from vqx.reporting.single import result_table
    from vqx.runs.files import write_json_atomic
    from vqx.runs.folder import RunFolder
    from vqx.runs.lock import RunLock

    folder = RunFolder(run)
    stored = _stored_config(folder)
    config = _trusted(run, overrides, allow)
    unchanged = all(config[group] == stored[group] for group in ("data", "metrics"))
    from vqx.training.evaluation_files import write_evaluation_files
    from vqx.training.measure import measure

    with RunLock(folder.path):
        measured = measure(config, folder)
        result = measured.result
        if unchanged and result["complete"]:
            _refuse_to_lose(folder.read_result(), result)
            write_evaluation_files(measured.evaluation, measured.quantizer, folder)
            place = folder.result
        else:  # other data, or a run that has not ended: neither is the run's result
            name = f"{evaluation_name(config)}-step{result['cost']['steps']}.json"
            place = folder.path / "evaluations" / name
            place.parent.mkdir(exist_ok=True)
        write_json_atomic(place, result)
    print(f"\n{result_table(result)}\n\n{place}")


def _refuse_to_lose(before: dict[str, Any] | None, after: dict[str, Any]) -> None:
    """Raise VqxError when a metric of the present result could not be measured again."""
    lost = [key for key in (before or {}).get("metrics", {}) if key not in after["metrics"]]
    if lost:
        reasons = dict.fromkeys(after["missing"].get(key, "not measured") for key in lost)
        raise VqxError(
            f"result.json is kept: {', '.join(lost)} could not be measured ({'; '.join(reasons)})"
        )


def _stored_config(folder: "RunFolder") -> dict[str, Any]:
    from vqx.targets import plain_yaml

    if not folder.config.is_file():
        raise VqxError(
            f"{folder.path} is no run folder (no config.yaml in it): give one of results/runs/"
        )
    return plain_yaml(folder.config)


def _trusted(run: Path, overrides: list[str], allow: Sequence[str]) -> dict[str, Any]:
    """The run's configuration with `overrides`, which builds nothing but what it may.

    That is parts of vqx, of modules in `allow`, and of those that `overrides` themselves name.
    """
    from vqx.runs.folder import RunFolder
    from vqx.targets import check_plain

    stored, where = _stored_config(RunFolder(run)), str(run / "config.yaml")
    typed = [text.split("=", 1)[1].rsplit(".", 1)[0] for text in overrides if "_target_=" in text]
    allowed = [*allow, *typed]
    # First as it is stored, but for groups chosen anew: composing resolves what stands in it.
    chosen = {text.partition("=")[0] for text in overrides}
    kept = {key: node for key, node in stored.items() if key not in chosen}
    check_plain(kept, where)
    _check_built(kept, allowed, where)
    config = overridden(stored, overrides)
    _check_built(config, allowed, where)
    return config


def _check_built(config: dict[str, Any], allow: Sequence[str], where: str) -> None:
    from vqx.targets import RUN_PARTS, check_targets

    built = {key: config.get(key) for key in ("model", "quantizer", "loss", "data", "metrics")}
    check_targets(built, parts=RUN_PARTS, allow=allow, where=where)


def evaluation_name(config: dict[str, Any]) -> str:
    """File name for an evaluation of another kind: the data's name and a hash of all settings."""
    from vqx.config import signature

    settings = {group: config[group] for group in ("data", "metrics")}
    return f"{config['data']['name']}-{signature(settings)}"


def overridden(stored: dict[str, Any], overrides: list[str]) -> dict[str, Any]:
    """The run's configuration with `overrides` applied; only what cannot change its weights.

    Raises ConfigError for any other key.
    """
    if not overrides:
        return stored
    for text in overrides:
        key = text.lstrip("+~").split("=")[0]
        if not any(key == allowed or key.startswith(f"{allowed}.") for allowed in _ALLOWED):
            raise ConfigError(
                f"'{text}' cannot be changed for a trained run; evaluate takes "
                + ", ".join(_ALLOWED)
            )
    return _compose(stored, overrides)


def _compose(stored: dict[str, Any], overrides: list[str]) -> dict[str, Any]:
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    from vqx.config import conf_dir, register_resolvers

    register_resolvers()
    groups = {text.split("=")[0] for text in overrides if "." not in text.split("=")[0]}
    with initialize_config_dir(version_base="1.3", config_dir=str(conf_dir())):
        choices = [text for text in overrides if text.split("=")[0] in groups]
        fresh = compose("config", overrides=choices)
    chosen = OmegaConf.to_container(fresh, resolve=True)
    assert isinstance(chosen, dict)
    if "cache_dir" in groups:
        stored = _moved(stored, stored["cache_dir"], str(chosen["cache_dir"]))
    config = OmegaConf.create({**stored, **{key: chosen[key] for key in groups}})
    OmegaConf.set_struct(config, True)
    dotted = [text for text in overrides if "." in text.split("=")[0]]
    merged = OmegaConf.merge(config, OmegaConf.from_dotlist(dotted))
    plain = OmegaConf.to_container(merged, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _moved(node: Any, old: str, new: str) -> Any:
    """`node` with every path at or below `old` put below `new`; a stored file has no wiring."""
    if isinstance(node, dict):
        return {key: _moved(value, old, new) for key, value in node.items()}
    if isinstance(node, list):
        return [_moved(value, old, new) for value in node]
    if isinstance(node, str) and (node == old or node.startswith(f"{old}/")):
        return new + node[len(old) :]
    return node


if __name__ == "__main__":
    main()
