"""What runs were made with, beside their configuration: versions, code, machine."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vqx.reporting.frame import Row, seed_of
from vqx.runs.reading import Run

_SHOWN = 5  # own files that differ
_THEN = " then "  # between what one run's sessions had


def sessions_of(run: Run) -> list[Mapping[str, Any]]:
    """The environment of a run's first start, then what each resume changed of it."""
    sessions = run.environment.get("sessions") or []
    return [run.environment, *(s for s in sessions if isinstance(s, Mapping))]


def _joined(run: Run, read: Callable[[Mapping[str, Any]], str | None]) -> str | None:
    texts = [read(session) for session in sessions_of(run)]
    found = dict.fromkeys([text for text in texts if text is not None])
    return _THEN.join(found) or None


def _code(run: Run) -> str | None:
    git: dict[str, Any] = {}
    found: dict[str, None] = {}
    for session in sessions_of(run):  # a later one has only what is not as at the first
        own = session.get("git")
        git = {**git, **own} if isinstance(own, Mapping) else git
        if git.get("commit"):
            changed = f" with changes {(git.get('diff_sha256') or '?')[:6]}"
            found[f"code {git['commit'][:7]}{changed if git.get('dirty') else ''}"] = None
    return _THEN.join(found) or None


def _package(name: str) -> Callable[[Run], str | None]:
    def read(session: Mapping[str, Any]) -> str | None:
        version = (session.get("packages") or {}).get(name)
        return f"{name} {version}" if version else None

    return lambda run: _joined(run, read)


def _version(run: Run) -> str | None:
    return _joined(run, lambda s: f"vqx {s['vqx']}" if "vqx" in s else None)


def _device(run: Run) -> str | None:
    def read(session: Mapping[str, Any]) -> str | None:
        device = session.get("device")
        count = session.get("devices", run.environment.get("devices", 1))
        return None if device is None else f"{count} x {device}" if count != 1 else str(device)

    return _joined(run, read)


SURROUNDINGS: dict[str, Callable[[Run], str | None]] = {
    "version": _version,
    "code": _code,
    "torch": _package("torch"),
    "device": _device,
}


def surroundings_of(row: Row) -> list[dict[str, str | None]]:
    """For each run of a row what SURROUNDINGS read of it."""
    found: list[dict[str, str | None]] | None = row.memory.get("surroundings")
    if found is None:
        found = [{what: read(run) for what, read in SURROUNDINGS.items()} for run in row.runs]
        row.memory["surroundings"] = found
    return found


def shared_text(rows: Sequence[Row], what: str) -> str | None:
    """What one of SURROUNDINGS reads of every run that has it, if it is one thing."""
    found = {texts[what] for row in rows for texts in surroundings_of(row)} - {None}
    return found.pop() if len(found) == 1 else None


def confounds(rows: Sequence[Row]) -> list[str]:
    """What differs between runs beside what the rows are named for."""
    texts = []
    for what in SURROUNDINGS:
        found: dict[str, list[str]] = {}
        for row in rows:
            for run, read in zip(row.runs, surroundings_of(row), strict=True):
                if run.environment:
                    found.setdefault(read[what] or f"{what} unknown", []).append(row.label)
        if len(found) > 1:
            *rare, usual = sorted(found, key=lambda text: len(found[text]))
            named = [f"{text} in {', '.join(dict.fromkeys(found[text]))}" for text in rare]
            texts.append("; ".join([*named, f"{usual} in all other runs"]))
    return [*texts, *_own_code(rows)]


def _own_code(rows: Sequence[Row]) -> list[str]:
    """A user's own source file that was not the same for all the runs that use it."""
    found: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        for run in row.runs:
            for name in dict.fromkeys(name for own in _own_codes(run) for name in own):
                users = found.setdefault(name, {}).setdefault(_own_digests(run, name), [])
                users.append(_user(row, run, name))
    texts = [
        f"{name} is " + "; ".join(map(_version_of_some, digests.items()))
        for name, digests in sorted(found.items())
        if len(digests) > 1 or any(_THEN in digest for digest in digests)
    ]
    if len(texts) > _SHOWN:
        texts[_SHOWN:] = [f"{len(texts) - _SHOWN} more own files are not the same either"]
    return texts


def _own_codes(run: Run) -> list[Mapping[str, Any]]:
    return [session.get("own_code") or {} for session in sessions_of(run)]


def _own_digests(run: Run, name: str) -> str:
    """What the sessions of `run` had of the file `name`; empty if none of them used it."""
    digests = (own[name] for own in _own_codes(run) if name in own)
    return _THEN.join(dict.fromkeys(digest[:6] if digest else "unused" for digest in digests))


def _user(row: Row, run: Run, name: str) -> str:
    """The row's label, with the seed where the row's own runs do not agree."""
    versions = {_own_digests(other, name) for other in row.runs} - {""}
    if len(versions) == 1 or seed_of(run) is None:
        return row.label
    return f"{row.label} seed {seed_of(run)}"


def _version_of_some(found: tuple[str, Sequence[str]]) -> str:
    digest, users = found
    return f"{digest} in {', '.join(dict.fromkeys(users))}"
