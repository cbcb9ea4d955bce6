"""The jobs of a sweep: a grid, keys in step, listed rows, and what is typed on top of them.

Jobs are the product of each parameter of the grid, each zip, the rows, and what is typed, in this
order; the last changes fastest.
"""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from vqx.errors import ConfigError
from vqx.guard import explain, nearest
from vqx.sweeps.options import OPTION_NAMES

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader
    from hydra.core.override_parser.types import Override

WAYS = ("params", "zip", "rows")
Row = str | Sequence[str]


@dataclass(frozen=True, slots=True)
class _Factor:
    """One factor of the product: alternatives, each a few overrides that go together.

    `names` are the keys it sets, without +, ++ or ~.
    """

    names: frozenset[str]
    alternatives: tuple[tuple[str, ...], ...]


def jobs_of(
    sweeper: Mapping[str, Any], typed: Sequence[str], loader: "ConfigLoader | None" = None
) -> list[list[str]]:
    """Overrides of every job of the plain node `hydra.sweeper` with `typed` on top.

    Raises ConfigError for anything in the node that cannot be meant.
    """
    for key in sweeper:
        if key not in (*WAYS, "_target_"):
            raise ConfigError(
                f"hydra.sweeper.{key} is no way to sweep{nearest(str(key), WAYS)}: "
                f"there are {', '.join(WAYS)}"
            )
    params, rows = sweeper.get("params") or {}, sweeper.get("rows") or []
    zips = sweeper.get("zip") or []
    zips = [zips] if isinstance(zips, Mapping) else zips
    _check(isinstance(params, Mapping), "params", "keys with their values", params)
    alike = isinstance(zips, list) and all(isinstance(each, Mapping) for each in zips)
    _check(alike, "zip", "keys with lists of values, or a list of such", zips)
    rows_given = isinstance(rows, list) and sweeper.get("rows") != []
    _check(rows_given, "rows", "a list of rows such as 'quantizer=vq seed=0,1'", rows)
    return expand(params, zips, rows, typed, loader=loader)


def _check(good: bool, way: str, wanted: str, value: Any) -> None:
    if not good:
        raise ConfigError(f"hydra.sweeper.{way} must be {wanted}; got {value!r}")


def expand(
    params: Mapping[str, Any],
    zips: Sequence[Mapping[str, Any]],
    rows: Sequence[Row],
    typed: Sequence[str],
    *,
    loader: "ConfigLoader | None" = None,
) -> list[list[str]]:
    """Overrides of every job, in Hydra's grammar; `loader` lets `glob()` see the choices.

    A typed key replaces the same key (of a group: group@package) of params, zips and rows, whether
    either has +, ++ or ~ before it, and is passed on as typed; rows that no longer differ are one.
    Options of the sweep are no part of a job. Raises ConfigError naming what cannot be meant.
    """
    reader = _Reader(loader)
    on_top = reader.typed(typed)
    replaced = {name for factor in on_top.values() for name in factor.names}
    grid = reader.grid(params)
    zipped = [(reader.zipped(each, set()), reader.zipped(each, replaced)) for each in zips]
    union = (reader.union(rows, set()), reader.union(rows, replaced))
    _check_places(grid, [whole for whole, _ in zipped], union[0])
    factors: list[_Factor] = []
    for factor in grid:
        same = [key for key, other in on_top.items() if other.names == factor.names]
        factors += [on_top.pop(key) for key in same] or [factor]  # typed, in its place
    factors += [left for _, left in zipped] + ([union[1]] if rows else [])
    choices = [factor.alternatives for factor in (*factors, *on_top.values())]
    return [[text for part in job for text in part] for job in product(*choices)]


def _check_places(grid: Iterable[_Factor], zipped: Iterable[_Factor], union: _Factor) -> None:
    """Raise ConfigError for a key that two of them set: which one would count?"""
    places: dict[str, str] = {}
    ways = [*(("params", f) for f in grid), *(("zip", f) for f in zipped), ("rows", union)]
    for way, factor in ways:
        for name in sorted(factor.names):
            if name in places:
                where = "twice in " + way if places[name] == way else f"in {places[name]} and {way}"
                raise ConfigError(f"'{name}' stands {where} of hydra.sweeper: it may vary in one")
            places[name] = way


class _Reader:
    """Reads the parts of a sweep with Hydra's own parser."""

    def __init__(self, loader: "ConfigLoader | None") -> None:
        from hydra.core.override_parser.overrides_parser import OverridesParser

        self._parser = OverridesParser.create(config_loader=loader)

    def typed(self, words: Sequence[str]) -> dict[str, _Factor]:
        """Factors of what was typed, by key with its plus; of a key typed twice the last counts."""
        factors: dict[str, _Factor] = {}
        for override in self._parser.parse_overrides(list(words)):
            if override.key_or_group not in OPTION_NAMES:
                factors[override.get_key_element()] = _factor(override, "the command")
            elif override.is_sweep_override():
                raise ConfigError(f"'{override.input_line}': the whole sweep has one value of it")
        return factors

    def grid(self, params: Mapping[str, Any]) -> list[_Factor]:
        """A factor a parameter."""
        for key, value in params.items():
            if isinstance(value, list):
                raise ConfigError(
                    f"hydra.sweeper.params.{key} is a list: several values are written 'A,B', a "
                    "list that is one value '[A,B]', both in quotes"
                )
        words = {str(key): f"{key}={_text(value)}" for key, value in params.items()}
        return [self._read(word, f"params.{key}") for key, word in words.items()]

    def zipped(self, columns: Mapping[str, Any], left_out: set[str]) -> _Factor:
        """Keys that go in step, those of `left_out` away."""
        lists = {str(key): self._column(str(key), values) for key, values in columns.items()}
        lengths = {key: len(factor.alternatives) for key, factor in lists.items()}
        for key, length in lengths.items():
            first = next(iter(lengths))
            if length != lengths[first]:
                raise ConfigError(
                    f"hydra.sweeper.zip: '{first}' has {lengths[first]} values and '{key}' has "
                    f"{length}, but they go in step"
                )
            if not length:
                raise ConfigError(f"nothing to run: hydra.sweeper.zip.{key} has no values")
        kept = [factor for factor in lists.values() if not factor.names & left_out]
        steps = zip(*(factor.alternatives for factor in kept), strict=True)
        joined = [tuple(text for part in step for text in part) for step in steps]
        return _alternatives(kept, joined or [()])

    def _column(self, key: str, values: Any) -> _Factor:
        """One key of a zip: a list of values, or a sweep in Hydra's grammar."""
        where = f"zip.{key}"
        if isinstance(values, str):
            return self._read(f"{key}={values}", where)
        if not isinstance(values, Sequence):
            raise ConfigError(f"hydra.sweeper.{where} must be a list of values; got {values!r}")
        parts = [self._read(f"{key}={_text(value)}", where) for value in values]
        for value, part in zip(values, parts, strict=True):
            if len(part.alternatives) != 1:
                raise ConfigError(f"hydra.sweeper.{where}: '{value}' is several values, not one")
        return _alternatives(parts, [a for part in parts for a in part.alternatives])

    def union(self, rows: Sequence[Row], left_out: set[str]) -> _Factor:
        """The rows one after the other, each a grid of its own, without the keys of `left_out`."""
        alternatives: list[tuple[str, ...]] = []
        factors: list[_Factor] = []
        for number, row in enumerate(rows, start=1):
            grid = [self._read(word, f"rows, row {number}") for word in _words(row, number)]
            kept = [factor for factor in grid if not factor.names & left_out]
            alternatives += (
                tuple(text for part in choice for text in part)
                for choice in product(*(factor.alternatives for factor in kept))
            )
            factors += kept
        # Rows that differed in a replaced key alone are one row now.
        return _alternatives(factors, list(dict.fromkeys(alternatives)))

    def _read(self, word: str, where: str) -> _Factor:
        from hydra.errors import HydraException

        place = f"hydra.sweeper.{where}"
        try:
            (override,) = self._parser.parse_overrides([word])
        except HydraException as error:
            raise ConfigError(f"{place}: {explain(error)}") from error
        name = override.key_or_group
        if name in OPTION_NAMES:
            raise ConfigError(f"{place}: '{name}' is the whole sweep's: set it at the file's root")
        if override.is_hydra_override():
            raise ConfigError(f"{place}: '{word}' is Hydra's, of no job: set it at the file's root")
        return _factor(override, place)


def _alternatives(parts: Iterable[_Factor], alternatives: list[tuple[str, ...]]) -> _Factor:
    names = frozenset(name for part in parts for name in part.names)
    return _Factor(names, tuple(alternatives))


def _factor(override: "Override", place: str) -> _Factor:
    """All values of one override, written as Hydra writes them."""
    from hydra.errors import HydraException

    key = override.get_key_element()
    if override.value_type is None:  # ~key
        texts = [key]
    elif not override.is_sweep_override():
        texts = [f"{key}={override.get_value_element_as_str()}"]
    elif not override.is_discrete_sweep():
        raise ConfigError(
            f"{place}: '{override.input_line}' has no end: give its values, or search with "
            "hydra/sweeper=search objective=METRIC"
        )
    else:
        try:
            texts = [f"{key}={value}" for value in override.sweep_string_iterator()]
        except HydraException as error:
            raise ConfigError(f"{place}: '{override.input_line}': {explain(error)}") from error
        if not texts:
            raise ConfigError(f"nothing to run: '{override.input_line}' has no values")
    return _Factor(frozenset([key.lstrip("+~")]), tuple((text,) for text in texts))


def _words(row: Any, number: int) -> list[str]:
    """Overrides of a row: of a string as a shell splits it, so quote what holds spaces."""
    if isinstance(row, str):
        try:
            return shlex.split(row)
        except ValueError as error:
            raise ConfigError(
                f"hydra.sweeper.rows, row {number}: cannot split {row!r}: {error}"
            ) from error
    if isinstance(row, Sequence) and all(isinstance(word, str) for word in row):
        return list(row)
    raise ConfigError(
        f"hydra.sweeper.rows, row {number}, must be overrides such as 'quantizer=vq seed=0'; "
        f"got {row!r}"
    )


def _text(value: Any) -> str:
    """A value of a YAML file as it would be typed; a string is in Hydra's grammar already."""
    from hydra.core.override_parser.types import Override

    return value if isinstance(value, str) else Override._get_value_element_as_str(value)
