"""What a tokenizer is rebuilt from: configuration nodes and tensors, of a run or an exported one.

An exported folder holds two files: `tokenizer.yaml`, plain values, and `model.safetensors`.
"""

import hashlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from vqx.config import signature, slug
from vqx.errors import CheckpointError, ConfigError, VqxError
from vqx.models import Tokenizer
from vqx.quantizers import Quantizer
from vqx.runs.folder import RunFolder
from vqx.targets import TOKENIZER_PARTS, check_targets, trusted
from vqx.training.checkpoints import load_newest

DESCRIPTION, WEIGHTS = "tokenizer.yaml", "model.safetensors"
FORMAT = 1
_LOSSES = ("vqx.losses",)
# A run's configuration does not always say how many channels its images have: the one for which
# the weights fit is right.
_USUAL_CHANNELS = (3, 1, 4, 2)


@dataclass(frozen=True, slots=True)
class Source:
    """A tokenizer as it is stored: `state` are its tensors by name.

    pixel_levels: see Tokenizer. channels_last: the memory format of its evaluation, which may
    change last bits. about: signature, step and so on, for the reader.
    """

    name: str
    model: dict[str, Any]
    quantizer: dict[str, Any]
    image_channels: int
    state: Mapping[str, Tensor]
    pixel_levels: int | None = None
    channels_last: bool = False
    about: dict[str, Any] = field(default_factory=dict)


def read_source(path: Path, *, allow: Sequence[str] = ()) -> Source:
    """The tokenizer stored in `path`, a run's or an exported folder.

    Raises VqxError when it is neither or damaged, ConfigError when it names modules other than
    vqx's and those of `allow`.
    """
    if (path / DESCRIPTION).is_file():
        return _read_export(path, allow)
    if (path / "config.yaml").is_file():
        return _read_run(RunFolder(path), allow)
    raise VqxError(
        f"{path} holds no tokenizer: give a run's folder (with config.yaml and checkpoints/) or "
        f"one made by `python -m vqx.export` (with {DESCRIPTION})"
    )


def build(source: Source) -> Tokenizer:
    """The tokenizer of `source` with its weights, frozen, on the CPU; torch's generator stays.

    Raises CheckpointError when the weights are of another tokenizer.
    """
    tokenizer = _built(source, source.image_channels)
    _fill(tokenizer, source.state, source.name)
    return tokenizer


def _built(source: Source, image_channels: int) -> Tokenizer:
    from vqx.training.experiment import build_tokenizer

    nodes = {"model": source.model, "quantizer": source.quantizer}
    with torch.random.fork_rng(devices=[]):
        tokenizer = build_tokenizer(
            nodes, image_channels=image_channels, pixel_levels=source.pixel_levels
        )
    # Schedules of losses, in parts of the run, must have a length before any forward pass.
    tokenizer.quantizer.set_epoch_length(1.0, run=1)
    for module in tokenizer.modules():
        if isinstance(module, Quantizer):
            module.statistics = False
    return tokenizer.eval().requires_grad_(False)


def _fill(tokenizer: Tokenizer, state: Mapping[str, Tensor], name: str) -> None:
    try:
        tokenizer.load_state_dict(dict(state))
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise CheckpointError(
            f"the weights of {name} do not fit its description: {reason}"
        ) from error


def _read_run(folder: RunFolder, allow: Sequence[str]) -> Source:
    config = _plain_yaml(folder.config)
    try:
        model, quantizer = dict(config["model"]), dict(config["quantizer"])
        training, data = config["trainer"], config["data"]
        layout = bool(training.get("channels_last"))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ConfigError(f"{folder.config} is no configuration of a run: {error}") from error
    check_targets([model, quantizer], parts=TOKENIZER_PARTS, allow=allow, where=str(folder.config))
    saved = _newest(folder)
    averaged = saved.get("average") is not None
    about = {
        "signature": signature(config),
        "data": data.get("name"),
        "image_size": data.get("image_size"),
        "step": saved["step"],
        "averaged": averaged,
    }
    source = Source(
        name=slug(config),
        model=model,
        quantizer=quantizer,
        image_channels=data.get("channels") or 0,
        state=saved["average"] if averaged else saved["tokenizer"],
        pixel_levels=_pixel_levels(config.get("loss"), allow),
        channels_last=layout,
        about=about,
    )
    return source if source.image_channels else _with_channels(source)


def _pixel_levels(loss: Any, allow: Sequence[str]) -> int | None:
    """Levels of a pixel, where the loss's node wants their logits of the decoder, else None.

    The loss itself is not built. A class that is neither vqx's nor allowed is taken for one of
    images.
    """
    terms = loss.get("terms") if isinstance(loss, Mapping) else None
    for term in (terms or {}).values():
        node = (term or {}).get("term") or {}
        kind = trusted(node.get("_target_"), (*_LOSSES, *allow))
        if getattr(kind, "of_logits", False):
            default = inspect.signature(kind).parameters["levels"].default
            return int(node.get("levels", default))
    return None


def _newest(folder: RunFolder) -> dict[str, Any]:
    """The newest intact checkpoint; a run that goes on may take one away while it is read."""
    for _ in range(3):
        try:
            saved, damaged = load_newest(folder.checkpoints)
        except FileNotFoundError:
            continue
        if saved is None:
            break
        for path in damaged:
            print(f"{path} is damaged: taking the one before")
        return saved
    raise CheckpointError(f"no checkpoint in {folder.checkpoints}: train the run first")


def _with_channels(source: Source) -> Source:
    """`source` with the number of image channels for which its weights fit."""
    first: CheckpointError | None = None
    for channels in _USUAL_CHANNELS:
        try:
            _fill(_built(source, channels), source.state, source.name)
        except CheckpointError as error:
            first = first or error
        else:
            return replace(source, image_channels=channels)
    assert first is not None
    raise first


def _read_export(path: Path, allow: Sequence[str]) -> Source:
    description = path / DESCRIPTION
    stored = _plain_yaml(description)
    if stored.get("format") != FORMAT:
        raise VqxError(
            f"{description} is of format {stored.get('format')}, this vqx reads {FORMAT}: export "
            "the run again, or use the vqx that wrote it"
        )
    try:
        source = Source(
            name=str(stored["name"]),
            model=dict(stored["model"]),
            quantizer=dict(stored["quantizer"]),
            image_channels=int(stored["image_channels"]),
            state={},
            pixel_levels=stored["pixel_levels"],
            channels_last=bool(stored["channels_last"]),
            about=dict(stored["about"]),
        )
        digest = str(stored["sha256"])
    except (KeyError, TypeError, ValueError) as error:
        raise VqxError(f"{description} is damaged ({error}): export the run again") from error
    nodes = [source.model, source.quantizer]
    check_targets(nodes, parts=TOKENIZER_PARTS, allow=allow, where=str(description))
    return replace(source, state=_read_tensors(path / WEIGHTS, digest))


def _read_tensors(path: Path, digest: str) -> dict[str, Tensor]:
    from safetensors.torch import load

    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise VqxError(f"{path} is missing: export the run again") from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise VqxError(f"{path} is damaged: its bytes are not those {DESCRIPTION} speaks of")
    tensors: dict[str, Tensor] = load(data)
    return tensors


def _plain_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0]
        raise VqxError(f"{path} cannot be read as YAML: {reason}") from error
    if not isinstance(content, dict):
        raise VqxError(f"{path} is damaged: it holds no mapping")
    return {str(key): value for key, value in content.items()}
