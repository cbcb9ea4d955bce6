"""What a stored configuration may build: classes and functions of vqx, or of modules one names.

Hydra imports and calls whatever `_target_` says, so that a run folder from a stranger could run any
code. A dotted path alone proves nothing: `vqx.models.conv.nn.functional` leads out of vqx.
"""

import inspect
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vqx.errors import ConfigError, VqxError

# The packages that tokenizers are made of, and those that a run needs beside them.
TOKENIZER_PARTS = ("vqx.models", "vqx.quantizers")
RUN_PARTS = (*TOKENIZER_PARTS, "vqx.data", "vqx.losses", "vqx.metrics")
# Far more than any configuration has. Beyond them a file is made to take memory or the stack.
_MOST_NODES, _DEEPEST = 10_000, 20


def plain_yaml(path: Path) -> dict[str, Any]:
    """The mapping in the file `path`, of plain values.

    Raises VqxError for a file that cannot be read, holds something else, or has aliases: a few
    lines of them stand for more than any memory holds, or for a list that holds itself.
    """
    import yaml

    try:
        text = path.read_text()
        _check_size(text, path)
        content = yaml.safe_load(text)
    except (OSError, ValueError, OverflowError, yaml.YAMLError) as error:
        reason = shown(str(error).splitlines()[0])
        raise VqxError(f"{path} cannot be read as YAML: {reason}") from error
    if not isinstance(content, dict):
        raise VqxError(f"{path} is damaged: it holds no mapping")
    return {str(key): value for key, value in content.items()}


def _check_size(text: str, path: Path) -> None:
    """Raise VqxError before anything is built from `text` that would grow or never end."""
    import yaml

    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if isinstance(event, yaml.AliasEvent):
            raise VqxError(
                f"{path} has the alias *{shown(event.anchor)}: it must hold plain values"
            )
        if count > _MOST_NODES or depth > _DEEPEST:
            raise VqxError(
                f"{path} is no configuration: more than {_MOST_NODES:,} values, or nested deeper "
                f"than {_DEEPEST}"
            )


def shown(text: object) -> str:
    """A stranger's text for one line of a message: no control characters, at most 200 others."""
    return "".join(c if c.isprintable() else "?" for c in str(text)[:200])


def check_part(node: Any, *, what: str, where: str) -> None:
    """Raise ConfigError unless `node`, the `what` in `where`, says what to build of itself."""
    if not isinstance(node, Mapping) or not isinstance(node.get("_target_"), str):
        raise ConfigError(f"{where}: {what} has no _target_, the name of what is to be built")
    if "_partial_" in node:
        raise ConfigError(f"{where}: {what} is to be built, so that it cannot have _partial_")


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
            name = shown(target).split(".")[0]
            raise ConfigError(
                f"{where} wants to build {shown(target)}, which is no class or function defined in "
                f"{', '.join(modules)}: if you trust whoever wrote it, allow its module by name, "
                f"like allow={name}"
            )


def check_plain(node: Any, where: str) -> None:
    """Raise ConfigError where `node` has interpolations, which OmegaConf would resolve."""
    for _ in _targets(node, where):
        pass


def trusted(target: Any, modules: Sequence[str]) -> Any:
    """The class or function called `target`, None unless it is there and defined in `modules`.

    Only modules in `modules` are imported: the name is looked at first.
    """
    from hydra.utils import get_object

    if not isinstance(target, str) or not _within(target, modules):
        return None
    try:
        with _silence("hydra.utils"):  # it logs what it cannot find before it raises
            found = get_object(target)
    except Exception:  # whatever importing a module raises
        return None
    built = inspect.isclass(found) or inspect.isfunction(found)
    home = str(getattr(found, "__module__", ""))
    return found if built and _within(home, modules) else None


@contextmanager
def _silence(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


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
