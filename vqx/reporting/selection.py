"""Which runs are meant: by what their configurations say, as it is typed on the command line."""

from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from vqx.errors import ConfigError
from vqx.guard import nearest
from vqx.reporting.flattening import Flattened, Flattener
from vqx.reporting.frame import seed_of
from vqx.reporting.naming import Flat, Target, choice_name, value_text
from vqx.runs.reading import Run


def select(
    runs: Sequence[Run], filters: Mapping[str, str], *, options: Iterable[str] = ()
) -> list[Run]:
    """Runs whose configuration has the values asked for.

    `options`: what else the command takes, for suggestions. Raises ConfigError for an unknown key.
    """
    if not filters:
        return list(runs)
    texts = _texts_of(runs)
    known = {"row"} | {key for found in texts for key in found}
    for key in filters:
        if key not in known:
            raise ConfigError(
                f"'{key}' is neither an option nor a key of any run's configuration"
                f"{nearest(key, known | set(options))}; see --help"
            )
    wanted = {key: value.strip("[]").replace(" ", "") for key, value in filters.items()}
    return [
        run
        for run, found in zip(runs, texts, strict=True)
        if all(_fits(key, found.get(key), value) for key, value in wanted.items())
    ]


def _fits(key: str, text: str | None, wanted: str) -> bool:
    """Whether a run's text is the one wanted, or one of several; of `row`, a pattern is enough."""
    if text is None:
        return False
    named = text == wanted or text in wanted.split(",")
    return named or (key == "row" and fnmatchcase(text, wanted))


def _texts_of(runs: Sequence[Run]) -> list[Mapping[str, str]]:
    """What each run has at the keys of its configuration; equal configurations are read once."""
    flattener = Flattener()
    known: dict[Flattened, dict[str, str]] = {}
    found: list[Mapping[str, str]] = []
    for run in runs:
        flattened = flattener.of(run.config)
        texts = known.get(flattened)
        if texts is None:
            texts = known[flattened] = _texts(flattened.flat)
        row = {"row": str(run.config["row"])} if run.config.get("row") else {}
        found.append(ChainMap({"seed": str(seed_of(run)), **row}, texts))
    return found


def _texts(flat: Flat) -> dict[str, str]:
    return {
        key: choice_name(key, flat) if isinstance(value, Target) else value_text(value)
        for key, value in flat.items()
    }


def items(value: str) -> tuple[str, ...]:
    """Entries of a list as typed: `[a,b]` or `a,b`."""
    return tuple(item.strip() for item in value.strip("[]").split(",") if item.strip())
