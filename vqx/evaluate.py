"""`python -m vqx.evaluate RUN`: measure a run again from its newest checkpoint.

Without further arguments result.json is written anew; with `data=...` the run is measured on
another data set, and the answer goes to evaluations/ in the run folder.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vqx.cli import guarded
from vqx.errors import ConfigError, VqxError

if TYPE_CHECKING:
    from vqx.runs.folder import RunFolder

_DESCRIPTION = """Recompute a run's metrics from its newest checkpoint.

  python -m vqx.evaluate results/runs/NAME                    writes result.json anew
  python -m vqx.evaluate results/runs/NAME data=cifar10       on another data set
  python -m vqx.evaluate results/runs/NAME metrics=fast data.image_size=32 data=cifar10

OVERRIDES are those of vqx.train for the groups data and metrics, and trainer.device,
trainer.evaluation_batch_size, cache_dir."""
_ALLOWED = ("data", "metrics", "cache_dir", "trainer.device", "trainer.evaluation_batch_size")


def main() -> None:
    """Entry point of `python -m vqx.evaluate` and `vqx-evaluate`."""
    guarded(_evaluate)


def _evaluate() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m vqx.evaluate",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, help="a run folder")
    parser.add_argument("overrides", nargs="*", help="GROUP=CHOICE or KEY=VALUE")
    arguments = parser.parse_args(sys.argv[1:])
    from vqx.reporting.single import result_table
    from vqx.runs.files import write_json_atomic
    from vqx.runs.folder import RunFolder
    from vqx.runs.lock import RunLock

    folder = RunFolder(arguments.run)
    stored = _stored_config(folder)
    config = overridden(stored, arguments.overrides)
    unchanged = all(config[group] == stored[group] for group in ("data", "metrics"))
    from vqx.training.measure import measure

    with RunLock(folder.path):
        result = measure(config, folder)
        if unchanged and result["complete"]:
            _refuse_to_lose(folder.read_result(), result)
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
    import yaml

    if not folder.config.is_file():
        raise VqxError(
            f"{folder.path} is no run folder (no config.yaml in it): give one of results/runs/"
        )
    config: dict[str, Any] = yaml.safe_load(folder.config.read_text())
    return config


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
