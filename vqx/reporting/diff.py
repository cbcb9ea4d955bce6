"""Two runs side by side: `python -m vqx.report --diff A B`."""

import shlex
from collections.abc import Callable, Sequence

from vqx.reporting.columns import ABSENT
from vqx.reporting.differences import (
    Differences,
    configuration,
    environment,
    group,
    packages,
    typed,
)
from vqx.reporting.frame import state_word
from vqx.reporting.metric_differences import Metrics, cost_pairs, metric_pairs
from vqx.reporting.side_by_side import Page
from vqx.reporting.two_runs import two_runs
from vqx.runs.reading import Run

_SHOWN = 20  # packages of each kind that are named
_KEYS = 4  # that the last sentence names
_OVER_IMAGES = "intervals are over images: another seed may differ by more"


def diff(
    words: Sequence[str],
    *,
    places: Sequence[str],
    show: Callable[[str], object],
    width: int,
    bold: bool,
) -> None:
    """Show how two runs differ, given by folder or by part of a name below `places`.

    Raises ConfigError for words that do not mean two runs.
    """
    show(render_diff(*two_runs(words, places=places), width=width, bold=bold))


def render_diff(a: Run, b: Run, *, width: int, bold: bool) -> str:
    """Configuration, surroundings, metrics and costs of two runs, as far as they differ.

    What is equal is said to be, so that it is known to have been compared. Fills `width` columns.
    """
    page = Page(width, bold)
    keys, surroundings, versions = configuration(a, b), environment(a, b), packages(a, b)
    metrics = metric_pairs(a, b)
    costs = page.numbers(cost_pairs(a, b), ("A", "B", "B / A", "", ""))
    lines = [
        *_names(page, a, b),
        *page.section("Configuration", *_configuration(page, *keys, typed(a, b))),
        *page.section("Environment", *_environment(page, a, b, surroundings, versions)),
        *page.section("Metrics", *_metrics(page, metrics, a, b)),
        *(page.section("Size and cost", costs) if costs else []),
        *page.section("In short", page.text(_summary(*keys, surroundings, versions, metrics))),
    ]
    return "\n".join(lines) + "\n"


def _names(page: Page, a: Run, b: Run) -> list[str]:
    """Where each run is, and its state."""
    lines = []
    for name, run in (("A", a), ("B", b)):
        status = run.status
        known = run.result is None and status is not None and status.steps
        at = f" at step {status.step:,} of {status.steps:,}" if status and known else ""
        note = f": {run.note.splitlines()[0]}" if run.note else ""
        lines += [f"{name}  {run.folder.path}"]
        lines += page.note("", f"{state_word(run)}{at}{note}")
    return lines


def _configuration(
    page: Page, counting: Differences, others: Differences, words: Differences | str
) -> list[list[str]]:
    same = "No key differs that can change a number." if not counting.different else ""
    equal = f"equal: {_count(len(counting.equal) + len(others.equal), 'other key')}"
    if isinstance(words, Differences) and not words.different:
        equal += f"; typed: {' '.join(f'{k}={v}' for k, v in words.equal) or 'nothing'}"
    return [
        page.text(same) if same else [],
        page.differences(counting.different, "can change numbers"),
        page.differences(others.different, "cannot change them"),
        page.text(words) if isinstance(words, str) else page.differences(words.different, "typed"),
        page.text(equal),
    ]


def _environment(
    page: Page, a: Run, b: Run, surroundings: Differences, versions: Differences
) -> list[list[str]]:
    unknown = [name for name, run in (("A", a), ("B", b)) if not run.environment]
    if unknown:
        return [page.text(f"no environment.json that can be read in {' and '.join(unknown)}")]
    other = [d for d in versions.different if ABSENT not in (d.a, d.b)]
    more = len(other) - _SHOWN
    equal = [f"{key} {text}" for key, text in surroundings.equal]
    counts = [len(run.environment.get("sessions") or ()) for run in (a, b)]
    return [
        page.differences(surroundings.different),
        page.differences(other[:_SHOWN], "package"),
        page.text(f"and {_count(more, 'package')} of other versions") if more > 0 else [],
        [*_alone(page, "A", versions), *_alone(page, "B", versions)],
        _changes(page, a, b),
        page.text(f"sessions: {counts[0]} of A, {counts[1]} of B") if max(counts) > 1 else [],
        page.text(f"equal: {', '.join([*equal, _count(len(versions.equal), 'package')])}"),
    ]


def _alone(page: Page, name: str, versions: Differences) -> list[str]:
    """Packages that one run alone had."""
    found = [
        f"{d.key} {d.a if name == 'A' else d.b}"
        for d in versions.different
        if (d.b if name == "A" else d.a) == ABSENT
    ]
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    packages_ = ", ".join(found[:_SHOWN]) + more
    return (
        page.text(f"{_count(len(found), 'package')} in {name} alone: {packages_}") if found else []
    )


def _changes(page: Page, a: Run, b: Run) -> list[str]:
    """How to see the uncommitted changes of code that runs were made with."""
    gits = [group(run.environment, "git") for run in (a, b)]
    paths = [shlex.quote(str(run.folder.code_diff)) for run in (a, b)]
    dirty = [bool(git.get("dirty")) for git in gits]
    if all(dirty):
        if gits[0].get("diff_sha256") == gits[1].get("diff_sha256"):
            return page.text("equal: uncommitted changes of code (code.diff)")
        return page.text(f"uncommitted changes of code differ: `diff -u {' '.join(paths)}`")
    return [
        line
        for name, path, is_dirty in zip("AB", paths, dirty, strict=True)
        if is_dirty
        for line in page.text(f"uncommitted changes of code in {name} alone: `less {path}`")
    ]


def _metrics(page: Page, metrics: Metrics, a: Run, b: Run) -> list[list[str]]:
    lacking = [name for name, run in (("A", a), ("B", b)) if run.result is None]
    paired = any(pair.paired for pair in metrics.pairs)
    title = f"B - A in the same {metrics.images:,} images" if paired else ""
    keys = [
        *(["* the interval of 95 % excludes zero"] if any(p.sure for p in metrics.pairs) else []),
        *([_OVER_IMAGES] if any("[" in p.paired for p in metrics.pairs) else []),
    ]
    return [
        page.text(f"no result.json, so no metrics: {' and '.join(lacking)}") if lacking else [],
        page.numbers(metrics.pairs, ("A", "B", "B - A", "B is", title)),
        [line for key in keys for line in page.text(key)],
        [line for about, text in metrics.remarks for line in page.note(about, text)],
        page.text(f"equal: {metrics.alike}") if metrics.alike else [],
    ]


def _summary(
    counting: Differences,
    others: Differences,
    surroundings: Differences,
    versions: Differences,
    metrics: Metrics,
) -> str:
    """One sentence on what differs, or that nothing does."""
    keys = [difference.key for difference in counting.different]
    named = ", ".join(keys[:_KEYS]) + (", ..." if len(keys) > _KEYS else "")
    verdicts = [pair.verdict for pair in metrics.pairs]
    found = [
        f"{_count(len(keys), 'key')} that can change numbers ({named})" if keys else "",
        f"{_count(len(others.different), 'key')} that cannot" if others.different else "",
        ", ".join(difference.key for difference in surroundings.different),
        _count(len(versions.different), "package") if versions.different else "",
        "how or on what they were measured" if "not comparable" in verdicts else "",
        "metrics" if any(p.difference not in ("", "0") for p in metrics.pairs) else "",
    ]
    if said := "; ".join(filter(None, found)):
        return f"A and B differ in {said}."
    if verdicts and set(verdicts) == {"equal"}:
        return "A and B are equal in configuration, environment and every metric."
    return "A and B are equal in configuration and environment; not both have metrics."


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
