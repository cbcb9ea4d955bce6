"""Which runs are meant: by what their configurations say, as it is typed on the command line."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from vqx.errors import ConfigError
from vqx.guard import nearest
from vqx.reporting.frame import flatten, seed_of
from vqx.reporting.naming import Target, choice_name, value_text
from vqx.runs.reading import Run


def select(
    runs: Sequence[Run], filters: Mapping[str, str], *, options: Iterable[str] = ()
) -> list[Run]:
    """Runs whose configuration has the values asked for.

    `options`: what else the command takes, for suggestions. Raises ConfigError for an unknown key.
    """
    if not filters:
        return list(runs)
    texts = [_texts(run) for run in runs]
    known = {key for found in texts for key in found}
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
    """Whether a run's text is the one wanted; of `row`, a pattern is enough."""
    return text == wanted or (key == "row" and text is not None and fnmatchcase(text, wanted))


def _texts(run: Run) -> dict[str, str]:
    flat = flatten(run.config)
    texts = {
        key: choice_name(key, flat) if isinstance(value, Target) else value_text(value)
        for key, value in flat.items()
    }
    row = {"row": str(run.config["row"])} if run.config.get("row") else {}
    return {**texts, "seed": str(seed_of(run)), **row}


def items(value: str) -> tuple[str, ...]:
    """Entries of a list as typed: `[a,b]` or `a,b`."""
    return tuple(item.strip() for item in value.strip("[]").split(",") if item.strip())
