"""Where conf/ is, what of a configuration is a run's identity, and its names.

Light on purpose: `report` and the "already done" path of `train` import this without torch.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import translate
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omegaconf import DictConfig

# Where and how a run is executed and watched: dotted patterns of keys that change no number beyond
# float tolerance, and so are no part of a run's signature.
NOT_IDENTITY = (
    "hydra",
    "logger",
    "row",
    # What a sweep does with its jobs: vqx.sweeps.options
    "plan",
    "retry",
    "wait",
    "cancel",
    "stale",
    "snapshot",
    "max_parallel",
    "objective",
    "results",
    "cache_dir",
    "*.cache_dir",
    "data.loader",  # all give equal pixels; what JPEG changes is in the folder of the data
    "data.workers",
    "data.start_method",
    "data.local_sources",
    "data.debian_package",
    "data.download",
    "metrics.*.weights",  # a metric's stamp names its weights; a loss's weights do count
    "trainer.devices",
    "trainer.device",
    "trainer.accumulation",
    "trainer.log_every",
    "trainer.evaluate_every",
    "trainer.checkpoint_every",
    "trainer.evaluation_batch_size",
    "trainer.collapse_floor",
)
_NOT_IDENTITY = re.compile("|".join(translate(pattern) for pattern in NOT_IDENTITY))
SIGNATURE_LENGTH = 10


def conf_dir() -> Path:
    """The folder of configuration groups: beside the package, or inside it in a wheel."""
    package = Path(__file__).resolve().parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def identity(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a plain configuration that can change a run's numbers.

    Nulls are left out, so that a feature added later as null keeps the signatures of old runs.
    """
    return _prune(config, prefix="", nulls=False)


def _prune(node: Mapping[str, Any], *, prefix: str, nulls: bool) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in node.items():
        path = f"{prefix}{key}"
        if (value is None and not nulls) or _NOT_IDENTITY.match(path):
            continue
        inner = isinstance(value, Mapping)
        kept[str(key)] = _prune(value, prefix=f"{path}.", nulls=nulls) if inner else value
    return kept


def signature(config: Mapping[str, Any]) -> str:
    """Hash of a resolved configuration's identity: equal for equal numbers, whatever the order.

    The whole configuration is hashed, not its difference from the defaults: a default that changes
    later gives a new folder.
    """
    text = json.dumps(_numbers_alike(identity(config)), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:SIGNATURE_LENGTH]


def _numbers_alike(node: Any) -> Any:
    """`node` with whole numbers as floats: `clip_norm=1` is `clip_norm=1.0`."""
    if isinstance(node, Mapping):
        return {key: _numbers_alike(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_numbers_alike(value) for value in node]
    return float(node) if isinstance(node, int) and not isinstance(node, bool) else node


def slug(config: Mapping[str, Any]) -> str:
    """The readable part of a run's folder: quantizer, its knobs, data set and seed."""
    groups = group_names()
    knobs = {
        key: value
        for key, value in identity(config).items()
        if key not in groups and key != "seed" and not isinstance(value, Mapping)
    }
    name, usual = shipped(config, knobs)
    telling = {k: v for k, v in knobs.items() if not isinstance(v, str) or v != usual.get(k)}
    data = config.get("data") or {}
    end = f"{data.get('name', _class_name(data))}-seed{config.get('seed', 0)}"
    start = "-".join([name, *(f"{k}{_plain(v)}" for k, v in telling.items())])
    unsafe = re.compile(r"[^A-Za-z0-9_.-]+")
    return f"{unsafe.sub('_', start)[:80]}-{unsafe.sub('_', end)[:40]}"


def run_name(config: Mapping[str, Any]) -> str:
    """Name of a run's folder, from its resolved configuration."""
    return f"{slug(config)}-{signature(config)}"


def shipped(config: Mapping[str, Any], knobs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Name and knobs of the shipped quantizer nearest to this one; its class's name and none."""
    targets = _targets(config.get("quantizer"))
    best: tuple[str, Mapping[str, Any]] = (_class_name(config.get("quantizer")), {})
    likeness = -1
    for name, file in _quantizer_files().items():
        agree = sum(file.get(key) == value for key, value in knobs.items())
        alike = _targets(file["quantizer"]) == targets and file.keys() >= knobs.keys()
        if alike and agree > likeness:
            best, likeness = (name, file), agree
    return best


def _targets(node: Any) -> list[str]:
    """All classes of a node, its own first."""
    if not isinstance(node, Mapping):
        return []
    inner = [name for value in node.values() for name in _targets(value)]
    return [str(node["_target_"]), *inner] if "_target_" in node else inner


@cache
def _quantizer_files() -> dict[str, dict[str, Any]]:
    import yaml

    paths = sorted((conf_dir() / "quantizer").glob("*.yaml"), key=lambda p: (len(p.stem), p.stem))
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it is built
    return {path.stem: yaml.load(path.read_text(), Loader=loader) for path in paths}


def _class_name(node: Any) -> str:
    target = node.get("_target_", "none") if isinstance(node, Mapping) else "none"
    return str(target).rsplit(".", 1)[-1].lower()


def _plain(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, list) else str(value)


def group_names() -> set[str]:
    """Names of the configuration groups: the folders of conf/."""
    return {path.name for path in conf_dir().iterdir() if path.is_dir()}


def resolved_identity(root: "DictConfig") -> dict[str, Any]:
    """The resolved configuration without the keys that do not count.

    Those are dropped *before* resolving: a key that counts may not be read from one that does not.
    """
    from omegaconf import OmegaConf

    plain = OmegaConf.to_container(root, resolve=False)
    assert isinstance(plain, dict)
    named = {str(key): value for key, value in plain.items()}
    kept = OmegaConf.create(_prune(named, prefix="", nulls=True))  # a null may be read by others
    resolved = OmegaConf.to_container(kept, resolve=True)
    assert isinstance(resolved, dict)
    return identity({str(key): value for key, value in resolved.items()})


def composed(overrides: Sequence[str]) -> dict[str, Any]:
    """The plain, resolved configuration that `python -m vqx.train OVERRIDES` would run."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    register_resolvers()
    with initialize_config_dir(version_base="1.3", config_dir=str(conf_dir())):
        config = compose("config", overrides=list(overrides))
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def register_resolvers() -> None:
    """Make `${run_name:}` and `${signature:}` of the whole configuration known to OmegaConf.

    And `${direction:METRIC}`: maximize or minimize, as is better for it.
    """
    from omegaconf import OmegaConf

    OmegaConf.register_new_resolver("direction", _direction, replace=True)
    OmegaConf.register_new_resolver(
        "run_name", lambda *, _root_: run_name(resolved_identity(_root_)), replace=True
    )
    OmegaConf.register_new_resolver(
        "signature", lambda *, _root_: signature(resolved_identity(_root_)), replace=True
    )


def _direction(metric: str | None) -> str:
    from vqx.sweeps.objective import direction

    return direction(metric)


def interpolated_keys(node: Any) -> Iterator[str]:
    """Root keys that any interpolation in an unresolved plain configuration reads."""
    if isinstance(node, Mapping):
        for value in node.values():
            yield from interpolated_keys(value)
    elif isinstance(node, list):
        for value in node:
            yield from interpolated_keys(value)
    elif isinstance(node, str):
        yield from re.findall(r"\$\{([A-Za-z_]\w*)(?=[.\[}])", node)
