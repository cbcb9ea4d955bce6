"""What a stored configuration may build: classes and functions of vqx, or of modules one names.

Hydra imports and calls whatever `_target_` says, so that a run folder from a stranger could run any
code. A dotted path alone proves nothing: `vqx.models.conv.nn.functional` leads out of vqx.
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vqx.errors import ConfigError

# The packages that tokenizers are made of, and those that a run needs beside them.
TOKENIZER_PARTS = ("vqx.models", "vqx.quantizers")
RUN_PARTS = (*TOKENIZER_PARTS, "vqx.data", "vqx.losses", "vqx.metrics")


def check_targets(
    node: Any, *, parts: Sequence[str], allow: Sequence[str] = (), where: str = "config.yaml"
) -> None:
    """Raise ConfigError unless every `_target_` in `node` is defined in `parts` or `allow`.

    `node`: plain values, as read from `where`. `parts` and `allow` are names of modules, whose
    submodules count as theirs; modules in `allow` are imported.
    """
    modules = (*parts, *allow)
    for target in _targets(node, where):
        if trusted(target, modules) is None:
            name = str(target).split(".")[0]
            raise ConfigError(
                f"{where} wants to build {target}, which is no class or function defined in "
                f"{', '.join(modules)}: if you trust whoever wrote it, allow its module by name, "
                f"like allow={name}"
            )


def trusted(target: Any, modules: Sequence[str]) -> Any:
    """The class or function called `target`, None unless it is there and defined in `modules`.

    Only modules in `modules` are imported: the name is looked at first.
    """
    from hydra.utils import get_object

    if not isinstance(target, str) or not _within(target, modules):
        return None
    try:
        found = get_object(target)
    except Exception:  # whatever importing a module raises
        return None
    built = inspect.isclass(found) or inspect.isfunction(found)
    home = str(getattr(found, "__module__", ""))
    return found if built and _within(home, modules) else None


def _targets(node: Any, where: str) -> Iterator[Any]:
    """All values of `_target_` in `node`; interpolations are refused, since they could hide one."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "_target_":
                yield value
            yield from _targets(value, where)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _targets(value, where)
    elif isinstance(node, str) and "${" in node:
        raise ConfigError(f"{where} has the interpolation {node!r}: it must hold plain values")


def _within(name: str, modules: Sequence[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)
