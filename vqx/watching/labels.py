"""What rows of a live table are called: by what differs between them, as the report names them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from vqx.reporting.frame import knobs_of
from vqx.reporting.labels import name_runs


def label_configs(configs: Sequence[Mapping[str, Any]]) -> tuple[str, list[str]]:
    """A heading and a label a configuration; the seed is named where there are several.

    Equal labels of different configurations get a number; one without any is called "?".
    """
    known = [config for config in configs if config]
    names = name_runs([knobs_of(config) for config in known])
    seeds = [config.get("seed") for config in known]
    several = len(set(seeds)) > 1
    labels = iter(
        f"{label} seed={seed}" if several and seed is not None else label
        for label, seed in zip(names.labels, seeds, strict=True)
    )
    found = [next(labels) if config else "?" for config in configs]
    return names.heading, _distinct(found)


def _distinct(labels: list[str]) -> list[str]:
    seen: Counter[str] = Counter()
    counts = Counter(labels)
    distinct = []
    for label in labels:
        seen[label] += 1
        distinct.append(f"{label} ({seen[label]})" if counts[label] > 1 else label)
    return distinct
