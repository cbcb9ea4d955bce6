"""Conditions on runs as they are typed: `quantizer.name=='fsq' and seed<3`.

A small part of Python's expressions, read from its syntax tree and never evaluated as code.
"""

import ast
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from vqx.errors import ConfigError
from vqx.guard import nearest
from vqx.reporting.frame import flatten, state_word
from vqx.reporting.labels import name_runs
from vqx.reporting.naming import Flat, Target, choice_name, flat_nodes
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


def matching(runs: Sequence[Run], condition: str) -> list[Run]:
    """The runs for which `condition` holds.

    Names are dotted keys of the configuration, `GROUP.name` for what a group is called in tables,
    `state`, and final metrics (`psnr`). A comparison with a key that a run lacks is false, but for
    != and `not in`. Raises ConfigError for what is no such condition, or a key that no run has.
    """
    test, names = compiled(condition)
    values = [_values(run) for run in runs]
    known = {key for found in values for key in found}
    for name in names:
        if name not in known:
            raise ConfigError(
                f"where={condition}: no run has '{name}'{nearest(name, known)}; it may be a key of "
                "the configuration, GROUP.name, state, or a metric"
            )
    return [run for run, found in zip(runs, values, strict=True) if _holds(test, found, condition)]


def _holds(test: _Test, values: Mapping[str, Any], condition: str) -> bool:
    try:
        return bool(test(lambda name: values.get(name, _ABSENT)))
    except TypeError as error:
        raise ConfigError(f"where={condition}: {error}") from error


def _values(run: Run) -> dict[str, Any]:
    """Everything that a condition may name."""
    flat = flatten(run.config)
    values = {k: v for k, v in flat_nodes(run.config).items() if not isinstance(v, Target)}
    groups = [key for key, node in flat.items() if isinstance(node, Target) and "." not in key]
    named = {f"{group}.name": choice_name(group, flat) for group in groups}
    if "quantizer" in flat:
        named["quantizer.name"] = _family(flat)
    metrics = (run.result or {}).get("metrics")
    measured = {
        key: entry.get("value")
        for key, entry in (metrics.items() if isinstance(metrics, Mapping) else ())
        if isinstance(entry, Mapping)
    }
    return {**measured, **named, **values, "state": state_word(run)}


def _family(flat: Flat) -> str:
    """What a table calls the quantizer of a run."""
    return name_runs([flat]).labels[0]


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
