"""Many configurations flattened at once come out as each alone does, by the plain definition."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runs.synthetic import config_of
from vqx.config import NOT_IDENTITY, identity
from vqx.reporting.flattening import Flattener
from vqx.reporting.naming import Flat, flat_nodes

_CHANGES = st.dictionaries(
    st.sampled_from(
        [
            *("levels", "row", "quantizer__levels", "quantizer__beta", "quantizer__seed", "extra"),
            *("data__seed", "data__cache_dir", "data__place", "data__dataset", "trainer__steps"),
            *("model___convert_", "loss__new__term", "cache_dir", "results", "quantizer__extra"),
        ]
    ),
    st.sampled_from(
        [None, 0, 1, 1.0, True, "0", [8, 5, 5, 5], "/home/somebody/.cache/vqx/a", "/elsewhere", {}]
    ),
    max_size=4,
)


def _plain(config: Mapping[str, Any]) -> tuple[Flat, Flat]:
    kept = identity(config)
    homes = [Path(str(config[key])) for key in ("results", "cache_dir") if config.get(key)]
    flat = flat_nodes(kept)
    for key, value in list(flat.items()):
        parent, _, leaf = key.rpartition(".")
        repeated = parent and leaf in kept and kept[leaf] == value
        inside = isinstance(value, str) and value.startswith("/")
        inside = inside and any(h.is_absolute() and Path(value).is_relative_to(h) for h in homes)
        wiring = leaf in ("_convert_", "_recursive_", "_partial_")
        if repeated or inside or wiring or key in ("seed", "data.dataset"):
            del flat[key]
    knobs = {
        key: value
        for key, value in flat_nodes(config).items()
        if key in flat
        or (
            value is None
            and key not in NOT_IDENTITY
            and ("." not in key or key.startswith("quantizer."))
        )
    }
    nulls = {key for key, value in knobs.items() if "." not in key and value is None}
    return flat, {
        key: value
        for key, value in knobs.items()
        if value is not None or key in nulls or key.rpartition(".")[2] not in nulls
    }


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["fsq", "vq", "ema"]), st.sampled_from([0, 1, None]), _CHANGES),
        min_size=1,
        max_size=5,
    ),
    st.booleans(),
)
def test_as_each_alone(drawn: list[tuple[str, Any, dict[str, Any]]], shared: bool) -> None:
    configs = [config_of(name, seed=seed, **json.loads(json.dumps(c))) for name, seed, c in drawn]
    if shared:  # as runs read together share their parts
        parts: dict[str, Any] = {}
        configs = [
            {k: parts.setdefault(f"{k} {v!r}", v) for k, v in config.items()} for config in configs
        ]
    flattener = Flattener()
    for config in [*configs, *configs]:
        found = flattener.of(config)
        flat, knobs = _plain(config)
        assert repr(found.flat) == repr(flat)  # repr: in the same order too
        assert repr(found.knobs) == repr(knobs)


def test_seeds_of_one_configuration_are_one_object() -> None:
    config = config_of("vq")
    flattener = Flattener()
    found = [flattener.of({**config, "seed": seed}) for seed in range(3)]
    assert found[0] is found[1] is found[2]
    assert flattener.of({**config, "seed": 0, "codebook_size": 2}) is not found[0]


def test_a_key_that_repeats_the_seed_is_left_out_for_that_seed_alone() -> None:
    config = config_of("vq", data__seed=1)
    flattener = Flattener()
    found = [flattener.of({**config, "seed": seed}).flat for seed in range(3)]
    assert ["data.seed" in flat for flat in found] == [True, False, True]
