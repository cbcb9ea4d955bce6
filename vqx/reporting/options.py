"""What `python -m vqx.report` was asked for: words of the command line, and table files."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_args

from vqx.errors import ConfigError
from vqx.guard import nearest
from vqx.reporting.column_cells import Spread
from vqx.reporting.pictures.options import OPTION_KEYS as PICTURE_KEYS
from vqx.reporting.pivot import Keys
from vqx.reporting.selection import items
from vqx.reporting.sweep import SweepWords, config_dir_of, sweep_of

FORMATS = ("md", "csv", "tex", "json", "html")
_LISTS = ("columns", "rows", "published", "formats")
_TABLES = "tables"  # folder of table files beside the sweeps


@dataclass(frozen=True, slots=True)
class Options:
    """What to show of which runs. `runs` () is all of RESULTS/runs, `formats` () the usual ones.

    `rows`: labels to show, in order; `names`: label -> what to call it; `pictures`: options of the
    pictures as typed; `table`: the file that the rest was read from.
    """

    runs: tuple[str, ...] = ()
    out: Path = field(default_factory=lambda: results() / "tables")
    name: str = "ablation"
    columns: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    sort: str | None = None
    seeds: str = "folded"
    spread: Spread = "std"
    where: str | None = None
    baseline: str | None = None
    pivot: Keys | None = None
    published: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    html: Path | None = None
    title: str | None = None
    wandb: str | None = None
    table: Path | None = None
    pictures: Mapping[str, str] = field(default_factory=dict)
    filters: Mapping[str, str] = field(default_factory=dict)
    sweep: SweepWords | None = None


# What may be typed as KEY=VALUE; any other key selects runs.
KEYS = frozenset(f.name for f in fields(Options)) - {"filters", "sweep", "names"} | PICTURE_KEYS


def results() -> Path:
    """Where runs and tables are by default, as conf/config.yaml has it."""
    return Path(os.environ.get("VQX_RESULTS", "results"))


def parse(words: Sequence[str]) -> Options:
    """Options from `key=value` words and paths, typed ones over those of a table file.

    Raises ConfigError for a value that cannot be.
    """
    options = Options()
    rest: list[str] = []
    if named := [word.partition("=")[2] for word in words if word.startswith("table=")]:
        options, rest = _from_table(named[-1], words)
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key not in KEYS:
            rest.append(word)
        elif key != "table":
            options = _with(options, key, value)
    options = _selecting(options, rest)
    _check(options)
    return options


def _selecting(options: Options, words: Sequence[str]) -> Options:
    """`options` with what words say of the runs: a sweep, filters, folders."""
    if sweep := sweep_of(words):
        if options.runs:
            raise ConfigError("runs= and a sweep exclude each other: a sweep names its own runs")
        unnamed = options.name == "ablation"
        return replace(options, sweep=sweep, name=sweep.name if unnamed else options.name)
    for word in config_dir_of(words)[0]:
        key, equals, value = word.partition("=")
        if equals:
            options = replace(options, filters={**options.filters, key: value})
        else:
            options = replace(options, runs=(*options.runs, _path(word)))
    return options


def _with(options: Options, key: str, value: Any) -> Options:
    """`options` with one of `KEYS` set to a text, or to a list of texts."""
    if value == "" and key not in ("published", "runs", "columns", "rows", "formats"):
        raise ConfigError(f"{key}=: names nothing")
    if key == "pictures" and value in ("none", "[]", []):
        return replace(options, pictures={})
    if key in PICTURE_KEYS:
        text = value if isinstance(value, str) else f"[{','.join(map(str, value))}]"
        return replace(options, pictures={**options.pictures, key: text})
    texts = items(value) if isinstance(value, str) else tuple(map(str, value))
    changed: Any = value
    if key in ("runs", "published"):
        changed = (*getattr(options, key), *(texts or ("",)))
    elif key in _LISTS:
        changed = texts
    elif key == "pivot":
        if len(texts) != 2:
            raise ConfigError(f"pivot={value}: two keys are needed, as pivot=levels,steps")
        changed = Keys(*texts)
    elif not isinstance(value, str):
        raise ConfigError(f"{key}={value}: must be one text, not a list")
    elif key in ("out", "html"):
        changed = Path(value).expanduser()
    changes: dict[str, Any] = {key: changed}
    return replace(options, **changes)


def _check(options: Options) -> None:
    _one_of("seeds", options.seeds, ("folded", "separate"))
    _one_of("spread", options.spread, get_args(Spread))
    for name in options.formats:
        _one_of("formats", name, (*FORMATS, "all"))
    if options.wandb is not None:
        _one_of("wandb", options.wandb, ("sync",))
    if not options.name or Path(options.name).name != options.name:
        raise ConfigError(f"name={options.name}: must be a plain file name; the folder is out=...")
    if options.pivot and options.baseline:
        raise ConfigError("pivot= and baseline= exclude each other: one table has one layout")
    if options.pivot and options.published:
        raise ConfigError("pivot= and published= exclude each other: others' rows have no keys")
    if options.pictures and "pictures" not in options.pictures:
        key = next(iter(options.pictures))
        raise ConfigError(f"{key}= says what a picture shows: name it too, as pictures=all")


def _one_of(key: str, value: str, allowed: Iterable[str]) -> None:
    if value not in (known := list(allowed)):
        *most, last = known
        there = f"{', '.join(most)} or {last}" if most else last
        raise ConfigError(f"{key}={value}: must be {there}{nearest(value, known)}")


def _path(word: str) -> str:
    if word.startswith("-"):
        raise ConfigError(f"unknown option '{word}': options are written KEY=VALUE, see --help")
    if not Path(word).exists():
        raise ConfigError(f"'{word}' is neither KEY=VALUE{nearest(word, KEYS)} nor a run folder")
    return word


def _from_table(name: str, words: Sequence[str]) -> tuple[Options, list[str]]:
    """The options of a table file, and its words that select runs."""
    path = _table_path(name, words)
    content = _content(path)
    options, rest = replace(Options(), name=path.stem, table=path), []
    for key, value in content.items():
        if key == "select":
            rest = [str(word) for word in (value if isinstance(value, list) else [value])]
        elif key == "names" and isinstance(value, dict):
            options = replace(options, names={str(k): str(v) for k, v in value.items()})
        elif key not in KEYS or key == "table":
            known = (KEYS | {"select", "names"}) - {"table"}
            raise ConfigError(f"{path}: '{key}' is no key of a table file{nearest(key, known)}")
        elif isinstance(value, list | str) and value:
            options = _with(options, key, value)
        else:
            raise ConfigError(f"{path}: {key} must be a text or a list, not {value!r}")
    return options, rest


def _table_path(name: str, words: Sequence[str]) -> Path:
    """A table file by its path, or by its name beside the sweeps: sweeps/tables/NAME.yaml."""
    from vqx.config import conf_dir

    if name.endswith((".yaml", ".yml")):
        if not (path := Path(name).expanduser()).is_file():
            raise ConfigError(f"table={name}: there is no such file")
        return path
    _, own = config_dir_of(words)
    folders = [folder / "sweeps" / _TABLES for folder in (own, conf_dir()) if folder is not None]
    for folder in folders:
        if (path := folder / f"{name}.yaml").is_file():
            return path
    known = sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})
    raise ConfigError(
        f"table={name}: there is no {folders[0] / name}.yaml{nearest(name, known)}; there are: "
        f"{', '.join(known) or 'none'}; or give a path that ends in .yaml"
    )


def _content(path: Path) -> Mapping[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read ({error})") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise ConfigError(f"{path} has no keys: see the table files in sweeps/{_TABLES}")
    return content
