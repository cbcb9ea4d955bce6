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
from torch import Tensor

from vqx.config import signature, slug
from vqx.errors import CheckpointError, ConfigError, VqxError
from vqx.models import Tokenizer
from vqx.quantizers import Quantizer
from vqx.runs.folder import RunFolder
from vqx.targets import TOKENIZER_PARTS, check_part, check_targets, plain_yaml, shown, trusted
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

    Raises CheckpointError when the weights are of another tokenizer, or of one without a codebook
    yet, ConfigError when it cannot be built.
    """
    tokenizer = _built(source, source.image_channels)
    _fill(tokenizer, source.state, source.name)
    if tokenizer.quantizer.needs_initialization:
        raise CheckpointError(f"{source.name}: its codebook has not started yet: train further")
    return tokenizer


def _built(source: Source, image_channels: int) -> Tokenizer:
    from vqx.training.experiment import build_tokenizer

    nodes = {"model": source.model, "quantizer": source.quantizer}
    try:
        with torch.random.fork_rng(devices=[]):
            tokenizer = build_tokenizer(
                nodes, image_channels=image_channels, pixel_levels=source.pixel_levels
            )
    except Exception as error:  # whatever a stranger's numbers make of the parts
        if isinstance(error, VqxError) and str(error).isprintable():
            raise
        reason = shown(next(iter(str(error).splitlines()), type(error).__name__))
        raise ConfigError(f"{source.name} cannot be built as described: {reason}") from error
    # Schedules of losses, in parts of the run, must have a length before any forward pass.
    tokenizer.quantizer.set_epoch_length(1.0, run=1)
    for module in tokenizer.modules():
        if isinstance(module, Quantizer):
            module.statistics = False
    return tokenizer.eval().requires_grad_(False)


def _fill(tokenizer: Tokenizer, state: Mapping[str, Tensor], name: str) -> None:
    try:
        tokenizer.load_state_dict(dict(state))
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = shown(str(error).splitlines()[-1].strip())
        raise CheckpointError(
            f"the weights of {name} do not fit its description: {reason}"
        ) from error


def _read_run(folder: RunFolder, allow: Sequence[str]) -> Source:
    config = plain_yaml(folder.config)
    where = str(folder.config)
    try:
        model, quantizer = config["model"], config["quantizer"]
        training, data = config["trainer"], config["data"]
        about = {
            "signature": signature(config),
            "data": data.get("name"),
            "image_size": data.get("image_size"),
        }
        name, layout = slug(config), bool(training.get("channels_last"))
        channels = data.get("channels")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        reason = shown(error)
        raise ConfigError(f"{where} is no configuration of a run: {reason}") from error
    _check_parts(model, quantizer, allow=allow, where=where)
    step, averaged, state = _weights(_newest(folder), folder)
    source = Source(
        name=name,
        model=model,
        quantizer=quantizer,
        image_channels=_number(channels or 1, 1, 64, what="data.channels", where=where),
        state=state,
        pixel_levels=_pixel_levels(config.get("loss"), allow, where),
        channels_last=layout,
        about={**about, "step": step, "averaged": averaged},
    )
    return source if channels else _with_channels(source)


def _check_parts(model: Any, quantizer: Any, *, allow: Sequence[str], where: str) -> None:
    """Raise ConfigError unless both say what to build, and it may be built."""
    check_part(model, what="model", where=where)
    check_part(quantizer, what="quantizer", where=where)
    check_targets([model, quantizer], parts=TOKENIZER_PARTS, allow=allow, where=where)


def _number(value: Any, low: int, high: int, *, what: str, where: str) -> int:
    if type(value) is not int or not low <= value <= high:
        raise ConfigError(f"{where}: {what}={shown(value)} must be a number from {low} to {high}")
    return value


def _weights(saved: Mapping[str, Any], folder: RunFolder) -> tuple[int, bool, dict[str, Tensor]]:
    """Step, whether an average, and tensors of what an evaluation measures."""
    averaged = saved.get("average") is not None
    state = saved.get("average" if averaged else "tokenizer")
    if not isinstance(state, Mapping) or not all(map(torch.is_tensor, state.values())):
        raise CheckpointError(f"the newest checkpoint in {folder.checkpoints} holds no tokenizer")
    return int(saved.get("step", 0)), averaged, dict(state)


def _pixel_levels(loss: Any, allow: Sequence[str], where: str) -> int | None:
    """Levels of a pixel, where the loss's node wants their logits of the decoder, else None.

    The loss itself is not built. A class that is neither vqx's nor allowed is taken for one of
    images.
    """
    terms = loss.get("terms") if isinstance(loss, Mapping) else None
    if not isinstance(terms or {}, Mapping):
        raise ConfigError(f"{where}: loss.terms must be a mapping of terms by name")
    for name, term in (terms or {}).items():
        node = ((term or {}).get("term") or {}) if isinstance(term or {}, Mapping) else None
        if not isinstance(node, Mapping):
            raise ConfigError(f"{where}: loss.terms.{shown(name)} must be a mapping with a term")
        kind = trusted(node.get("_target_"), (*_LOSSES, *allow))
        if getattr(kind, "of_logits", False):
            usual = inspect.signature(kind).parameters.get("levels")
            levels = node.get("levels", usual.default if usual else None)
            return _number(
                levels, 2, 256, what=f"loss.terms.{shown(name)}.term.levels", where=where
            )
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
    stored = plain_yaml(description)
    if (other := stored.get("format")) != FORMAT:
        raise VqxError(
            f"{description} is of format {shown(other)}, this vqx reads {FORMAT}: export the run "
            "again, or use the vqx that wrote it"
        )
    try:
        source = Source(
            name=shown(stored["name"]),
            model=stored["model"],
            quantizer=stored["quantizer"],
            image_channels=stored["image_channels"],
            state={},
            pixel_levels=stored["pixel_levels"],
            channels_last=bool(stored["channels_last"]),
            about=dict(stored["about"]),
        )
        digest = str(stored["sha256"])
    except (KeyError, TypeError, ValueError) as error:
        reason = shown(error)
        raise VqxError(f"{description} is damaged ({reason}): export the run again") from error
    where = str(description)
    _number(source.image_channels, 1, 64, what="image_channels", where=where)
    if source.pixel_levels is not None:
        _number(source.pixel_levels, 2, 256, what="pixel_levels", where=where)
    _check_parts(source.model, source.quantizer, allow=allow, where=where)
    return replace(source, state=_read_tensors(path / WEIGHTS, digest))


def _read_tensors(path: Path, digest: str) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise VqxError(f"{path} is missing: export the run again") from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise VqxError(f"{path} is damaged: its bytes are not those {DESCRIPTION} speaks of")
    try:
        tensors: dict[str, Tensor] = load(data)
    except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        reason = shown(error)
        raise VqxError(f"{path} is damaged ({reason}): export the run again") from error
    return tensors
