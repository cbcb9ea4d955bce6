"""Conditions on runs as they are typed: `quantizer.name=='fsq' and seed<3`.

A small part of Python's expressions, read from its syntax tree and never evaluated as code.
"""

import ast
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from vqx.errors import ConfigError
from vqx.guard import nearest
from vqx.reporting.columns import COLUMNS, number_at
from vqx.reporting.flattening import Flattened, Flattener
from vqx.reporting.frame import state_word
from vqx.reporting.labels import name_runs
from vqx.reporting.naming import Target, choice_name, flat_nodes
from vqx.runs.reading import Run

_Values = Callable[[str], Any]
_Test = Callable[[_Values], Any]
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}


class _Absent:
    """What a run has at a key that it has not: equal to nothing, None included."""

    def __eq__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return 0


_ABSENT = _Absent()
_COLUMNS = {column.key: column for column in COLUMNS}


def matching(runs: Sequence[Run], condition: str) -> list[Run]:
    """The runs for which `condition` holds.

    Names are dotted keys of the configuration, `GROUP.name` for what a group is called in tables,
    `state`, and columns of tables (`psnr`, `bits`), in the units of result.json. A comparison with
    a name that a run lacks is false, but for != and `not in`. Raises ConfigError for what is no
    such condition, or a name that no run has.
    """
    test, names = compiled(condition)
    looked_up = _Lookup()
    values = [{name: looked_up.value(run, name) for name in names} for run in runs]
    for name in names:
        if name not in _COLUMNS and all(found[name] is _ABSENT for found in values):
            known = looked_up.known(runs)
            raise ConfigError(
                f"where={condition}: no run has '{name}'{nearest(name, known)}; it may be a key of "
                "the configuration, GROUP.name, state, or a column"
            )
    return [run for run, found in zip(runs, values, strict=True) if _holds(test, found, condition)]


def _holds(test: _Test, values: Mapping[str, Any], condition: str) -> bool:
    try:
        return bool(test(values.__getitem__))
    except TypeError as error:
        raise ConfigError(f"where={condition}: {error}") from error


class _Lookup:
    """What runs have at a name; what equal configurations are called is found once."""

    def __init__(self) -> None:
        self._flattener = Flattener()
        self._called: dict[tuple[Flattened, str], Any] = {}

    def value(self, run: Run, name: str) -> Any:
        """The value at `name`; a group is what tables call it. `_ABSENT` where there is none."""
        if name == "state":
            return state_word(run)
        found = _at(run.config, name)
        if found is not _ABSENT and not isinstance(found, Mapping):
            return found
        group = name if isinstance(found, Mapping) else name.removesuffix(".name")
        if isinstance(run.config.get(group), Mapping):
            return self._name(run, group)
        return _measured(run, name)

    def _name(self, run: Run, group: str) -> Any:
        flattened = self._flattener.of(run.config)
        key = (flattened, group)
        if key not in self._called:
            self._called[key] = _group_name(flattened, group)
        return self._called[key]

    def known(self, runs: Sequence[Run]) -> set[str]:
        """Every name that some run has."""
        keys = {key for run in runs for key in flat_nodes(run.config)}
        groups = {f"{key}.name" for key in keys if "." not in key}
        measured = {key for run in runs for key in ((run.result or {}).get("metrics") or {})}
        return keys | groups | measured | _COLUMNS.keys() | {"state"}


def _group_name(flattened: Flattened, group: str) -> Any:
    if group == "quantizer":  # of the family that tables call it by
        return name_runs([flattened.knobs]).labels[0]
    if isinstance(flattened.flat.get(group), Target):
        return choice_name(group, flattened.flat)
    return _ABSENT


def _at(node: Any, name: str) -> Any:
    for key in name.split("."):
        if not isinstance(node, Mapping) or key not in node:
            return _ABSENT
        node = node[key]
    return node


def _measured(run: Run, name: str) -> Any:
    """A column's number, or a metric that is no usual column."""
    column = _COLUMNS.get(name)
    place = ("metrics", name, "value")
    value = number_at(place, run.result) if column is None else column.value(run.result)
    return _ABSENT if value is None else value


def compiled(condition: str) -> tuple[_Test, list[str]]:
    """A test of a run's values, and the names that it reads. Raises ConfigError."""
    try:
        tree = ast.parse(condition.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(
            f"where={condition}: cannot be read ({getattr(error, 'msg', error)}); write it like "
            "quantizer.name=='fsq' and seed<3"
        ) from error
    names: list[str] = []
    return _test(tree.body, names, condition), list(dict.fromkeys(names))


def _test(node: ast.expr, names: list[str], whole: str) -> _Test:
    if isinstance(node, ast.BoolOp):
        parts = [_test(value, names, whole) for value in node.values]
        fold: Callable[[Iterable[object]], bool] = all if isinstance(node.op, ast.And) else any
        return lambda values: fold(part(values) for part in parts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        inner = _test(node.operand, names, whole)
        return lambda values: not inner(values)
    if isinstance(node, ast.Compare):
        return _comparison(node, names, whole)
    return _operand(node, names, whole)


def _comparison(node: ast.Compare, names: list[str], whole: str) -> _Test:
    sides = [_operand(side, names, whole) for side in (node.left, *node.comparators)]
    for kind in map(type, node.ops):
        if kind not in _COMPARISONS:
            raise _refusal(node, whole)
    operators = [(_COMPARISONS[type(op)], isinstance(op, ast.NotEq | ast.NotIn)) for op in node.ops]

    def test(values: _Values) -> bool:
        found = [side(values) for side in sides]
        return all(
            negative if _ABSENT is a or _ABSENT is b else compare(a, b)
            for (compare, negative), a, b in zip(operators, found, found[1:], strict=False)
        )

    return test


def _operand(node: ast.expr, names: list[str], whole: str) -> _Test:
    """A name, a number, a text, a list of such, or a condition in brackets."""
    if isinstance(node, ast.BoolOp | ast.Compare):
        return _test(node, names, whole)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return _test(node, names, whole)
    if isinstance(node, ast.Name | ast.Attribute) and (name := _dotted(node)):
        word = {"true": True, "false": False, "null": None, "none": None}.get(name, _ABSENT)
        if word is not _ABSENT:  # as configurations write them
            return lambda values: word
        names.append(name)
        return lambda values: values(name)
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError) as error:
        raise _refusal(node, whole) from error
    plain = list(value) if isinstance(value, tuple) else value
    return lambda values: plain


def _dotted(node: ast.expr) -> str:
    """`a.b.c` of a chain of attributes, "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := _dotted(node.value)):
        return f"{before}.{node.attr}"
    return ""


def _refusal(node: ast.expr, whole: str) -> ConfigError:
    return ConfigError(
        f"where={whole}: '{ast.unparse(node)}' cannot be used; there are names, numbers, texts in "
        "quotes, lists, == != < <= > >= in, and, or, not"
    )
