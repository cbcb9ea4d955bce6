"""The metrics of a run, from their configuration."""

from collections.abc import Mapping
from typing import Any

import torch

from vqx.collectives import max_over_ranks
from vqx.errors import ConfigError, VqxError, WeightsMissing
from vqx.metrics.base import Metric


def build_metrics(
    config: Mapping[str, Mapping[str, Any] | None],
    *,
    device: torch.device | str,
    image_size: tuple[int, int] | None = None,
) -> tuple[list[Metric], dict[str, str]]:
    """Metrics on `device`, and the reason for each entry of `config` that is left out.

    An entry holds a `_target_` under the name of the key it yields; None means not wanted. It is
    left out when its weights cannot be had on every rank, or when `image_size` (H, W) is less than
    it takes; any other error is raised. Every rank must call this, and gets the same metrics.
    CodebookUse needs the quantizer, so the evaluation adds it.
    """
    built: dict[str, Metric] = {}
    missing: dict[str, str] = {}
    wanted = {name: entry for name, entry in config.items() if entry is not None}
    for name, entry in wanted.items():
        try:
            built[name] = _instantiate(entry)
        except WeightsMissing as error:
            missing[name] = str(error)
            continue
        if image_size is not None and min(image_size) < built[name].smallest_image:
            metric = built.pop(name)
            missing |= dict.fromkeys(metric.keys, metric.too_small(*image_size))
    _agree(built, missing, names=list(wanted), device=device)
    metrics = [metric.to(device) for metric in built.values()]
    _refuse_repeated_keys(metrics)
    return metrics, missing


def _instantiate(entry: Mapping[str, Any]) -> Metric:
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate

    try:
        return instantiate(entry, _convert_="all")
    except InstantiationException as error:
        # Hydra wraps what a constructor raises; a user's error keeps its own one-line message.
        if isinstance(error.__cause__, VqxError):
            raise error.__cause__ from error
        raise


def _agree(
    built: dict[str, Metric],
    missing: dict[str, str],
    *,
    names: list[str],
    device: torch.device | str,
) -> None:
    """Leave out what any rank lacks: ranks with different metrics would wait for each other."""
    if not names:
        return
    lacking = torch.tensor([int(name not in built) for name in names], device=device)
    for name, lacks in zip(names, max_over_ranks(lacking).tolist(), strict=True):
        if lacks and name in built:
            del built[name]
            missing[name] = (
                f"{name}: its weights are missing on another machine of this run: "
                "run `python -m vqx.prepare weights` there, or share cache_dir"
            )


def _refuse_repeated_keys(metrics: list[Metric]) -> None:
    keys = [key for metric in metrics for key in metric.keys]
    repeated = sorted({key for key in keys if keys.count(key) > 1})
    if repeated:
        raise ConfigError(f"two metrics yield {', '.join(repeated)}: keep one of them in `metrics`")
