"""Which two runs are meant, by a few characters of their names."""

from collections.abc import Sequence
from pathlib import Path

from vqx.errors import ConfigError, VqxError
from vqx.guard import nearest
from vqx.runs.places import run_folders
from vqx.runs.reading import Run, Skipped, read_run

_SHOWN = 3  # names of several that fit


def two_runs(words: Sequence[str], *, places: Sequence[str]) -> tuple[Run, Run]:
    """The runs that two words mean: folders, or what one name alone below `places` has.

    The start of a signature is enough, or any part of a name. Raises ConfigError for a word that
    means no run or several, or twice the same one.
    """
    if len(words) != 2:
        found = f"{len(words)} words" if words else "none"
        raise ConfigError(f"--diff takes two runs, not {found}: python -m vqx.report --diff A B")
    first, second = (read_folder(_folder(word, places)) for word in words)
    if first.folder.path.resolve() == second.folder.path.resolve():
        raise ConfigError(f"'{words[0]}' and '{words[1]}' are both {first.folder.path}")
    return first, second


def read_folder(path: Path) -> Run:
    """The run in a folder. Raises VqxError for one that cannot be read."""
    found = read_run(path)
    if isinstance(found, Skipped):
        raise VqxError(f"{path} cannot be compared: {found.reason}")
    return found


def _folder(word: str, places: Sequence[str]) -> Path:
    if Path(word).expanduser().is_dir() and ("/" in word or (Path(word) / "config.yaml").exists()):
        return Path(word).expanduser()
    folders = {folder.resolve().name: folder for folder in run_folders(places)}
    names = _fitting(word, list(folders))
    where = ", ".join(places)
    if not names:
        signatures = [name.rpartition("-")[2] for name in folders]
        hint = nearest(word, [*folders, *signatures])
        raise ConfigError(f"'{word}' is no folder, nor in the name of a run in {where}{hint}")
    if len(names) > 1:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        raise ConfigError(
            f"'{word}' is in the names of {len(names)} runs in {where}: "
            f"{', '.join(names[:_SHOWN])}{more}; give more of one, e.g. its signature"
        )
    return folders[names[0]]


def _fitting(word: str, names: Sequence[str]) -> list[str]:
    """Names that are `word`, or else whose signature starts with it, or else that have it."""
    if not word:
        return []
    return (
        [name for name in names if name == word]
        or [name for name in names if name.rpartition("-")[2].startswith(word)]
        or [name for name in names if word in name]
    )
