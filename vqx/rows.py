"""The published rows that a run can repeat, and clear lines for those who misspell one.

A row is a file conf/experiment/PROJECT/ROW.yaml, chosen with +experiment=PROJECT/ROW; a table of
rows is a file conf/sweeps/TABLE.yaml, chosen with +sweeps=TABLE.
"""

import difflib
import re

from vqx.config import conf_dir

# Groups that are no part of every run: they are added with a plus.
ADDED = ("experiment", "sweeps")


def names_of(group: str) -> list[str]:
    """All choices of one of the ADDED groups: "swasun/ema_shuffled", or "swasun"."""
    folder = conf_dir() / group
    return sorted(str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.yaml"))


def explain_row(text: str) -> str | None:
    """One clear line for what Hydra says of a wrong row, table or plus; None for anything else."""
    groups = "|".join(ADDED)
    if match := re.search(rf"Could not find '({groups})(?:/([^']*))?'", text):
        return _unknown(match[1], match[2] or "")
    if match := re.search(rf"Could not override '({groups})'", text):
        return f"'{match[1]}' is added with a plus: +{match[1]}=..."
    if match := re.search(r"Multiple values for ([\w/]+)\.", text):
        group = match[1]
        if group in ADDED:
            return f"'{group}' is there twice: one at a time, or with -m +{group}=A,B"
        return f"'{group}' is part of every run: without the plus, {group}=..."
    return None


def _unknown(group: str, name: str) -> str:
    names = names_of(group)
    inside = [other for other in names if other.startswith(f"{name}/")]
    if inside:
        return f"+{group}={name} is a project; its rows are: {', '.join(inside)}"
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    same = [other for other in names if other.split("/")[0] == name.split("/")[0]]
    own = f"; FOLDER/{group}/{name}.yaml of your own needs --config-dir=FOLDER"
    if close:
        return f"there is no +{group}={name}; the nearest are: {', '.join(close)}{own}"
    return f"there is no +{group}={name}; there are: {', '.join(same or names)}{own}"
