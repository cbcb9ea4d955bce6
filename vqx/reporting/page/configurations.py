"""The configurations of runs side by side: what all share is kept once."""

from collections.abc import Mapping, Sequence
from typing import Any

from vqx.config import identity
from vqx.reporting.naming import Target, flat_nodes, value_text
from vqx.reporting.surroundings import SURROUNDINGS
from vqx.runs.reading import Run

# Keys of what is no part of a configuration: versions, code, device.
MADE_WITH = "made with: "


def flat_texts(config: Mapping[str, Any]) -> dict[str, str]:
    """Dotted keys and their values as they are typed; a node's own key holds what it makes."""
    flat = flat_nodes(config)
    return {
        key: str(value) if isinstance(value, Target) else value_text(value)
        for key, value in flat.items()
        if not isinstance(value, Target) or value
    }


def texts_of(run: Run) -> dict[str, str]:
    """A run's configuration, then what it was made with."""
    made = {f"{MADE_WITH}{name}": read(run) for name, read in SURROUNDINGS.items()}
    known = {key: text for key, text in made.items() if text is not None}
    return {**flat_texts(run.config), **known}


def side_by_side(runs: Sequence[Run]) -> dict[str, Any]:
    """`keys` in order; `common`: what all runs have; `own`: the rest of each run;
    `placement`: keys that cannot change a number (where and how fast it ran).
    """
    texts = [texts_of(run) for run in runs]
    keys = list(dict.fromkeys(key for text in texts for key in text))
    first = texts[0] if texts else {}
    common = {
        key: first[key]
        for key in keys
        if key in first and all(text.get(key) == first[key] for text in texts)
    }
    return {
        "keys": keys,
        "common": common,
        "own": [{k: v for k, v in text.items() if k not in common} for text in texts],
        "placement": sorted({key for run in runs for key in _placement(run.config)}),
    }


def _placement(config: Mapping[str, Any]) -> set[str]:
    """Keys whose values are no part of a run's identity; nulls would be, were they something."""
    flat = flat_texts(config)
    return {key for key in flat if flat[key] != "none"} - set(flat_texts(identity(config)))
