"""A report in every format, into files."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from vqx.errors import VqxError
from vqx.reporting.build import Report
from vqx.reporting.cells import Table
from vqx.reporting.csv import render_rows, render_runs, render_table
from vqx.reporting.markdown import render_markdown
from vqx.reporting.notes import Note
from vqx.reporting.options import FORMATS, Options
from vqx.runs.files import write_text_atomic

_TYPESET_ROWS = 200


def write_report(report: Report, words: Sequence[str]) -> tuple[list[Path], list[Note]]:
    """Write the formats and pictures asked for: their files, and what pictures do not show.

    `words`: what was typed, to be said in files that are regenerated. Raises VqxError where the
    folder cannot be written to.
    """
    options = report.options
    _make_folder(options.out, "out")
    notes: list[Note] = []
    paths: list[Path] = []
    for name, text in _texts(report, command_of(words)).items():
        path = options.out / f"{options.name}{name}"
        write_text_atomic(path, text)
        paths.append(path)
    if not options.formats and len(report.tables[0].rows) > _TYPESET_ROWS:
        notes.append(Note("tex", f"not written of over {_TYPESET_ROWS} rows: formats=all has it"))
    if options.pictures and not any(row.results for row in report.frame.rows):
        notes.append(Note("pictures", "none drawn: no run has a result yet"))
    elif options.pictures:
        found, said = _draw(report)
        paths += found
        notes += said
    if options.html is not None or "html" in formats_of(options):
        path = options.html or options.out / f"{options.name}.html"
        _make_folder(path.parent, "html")
        if path.is_dir():
            raise VqxError(f"html={path} is a folder: name a file in it")
        write_text_atomic(path, _page(report, command_of(words)))
        paths.append(path)
    return paths, notes


def command_of(words: Sequence[str]) -> str:
    """The command line of a report."""
    return shlex.join(["python", "-m", "vqx.report", *words])


def formats_of(options: Options, *, rows: int = 0) -> tuple[str, ...]:
    """Formats by name, each once, in the usual order.

    Unasked, a table of more than 200 `rows` is not typeset: no page has room for it.
    """
    asked = options.formats or ("md", "csv", *(("tex",) if rows <= _TYPESET_ROWS else ()))
    return tuple(f for f in FORMATS if f in asked or "all" in asked)


def markdown_of(tables: Sequence[Table]) -> str:
    """All tables of a report, one below the other."""
    return "\n".join(map(render_markdown, tables))


def _texts(report: Report, command: str) -> Mapping[str, str]:
    """Ending of a file's name -> what is in it."""
    tables, frame = report.tables, report.frame
    extra = tables if report.options.pivot else tables[1:]
    makers: dict[str, Callable[[], Mapping[str, str]]] = {
        "md": lambda: {".md": markdown_of(tables)},
        "csv": lambda: {
            ".csv": render_rows(frame, report.beside),
            "-runs.csv": render_runs(frame),
            **{f"-{_plain(table.name)}.csv": render_table(table) for table in extra},
        },
        "tex": lambda: {".tex": _latex(report, command)},
        "json": lambda: {".json": _json(report)},
        "html": lambda: {},  # it may lie elsewhere
    }
    texts: dict[str, str] = {}
    for name in formats_of(report.options, rows=len(tables[0].rows)):
        texts |= makers[name]()
    return texts


def _plain(name: str) -> str:
    return name.replace(" ", "-")


def _latex(report: Report, command: str) -> str:
    from vqx.reporting.latex import render_latex

    return render_latex(report.tables, label=f"tab:{report.options.name}", command=command)


def _json(report: Report) -> str:
    from vqx.reporting.json_document import render_json

    return render_json(report.tables, report.frame)


def _page(report: Report, command: str) -> str:
    from vqx.reporting.page import Page, render_page

    options = report.options
    return render_page(
        Page(
            title=options.title or options.name,
            tables=report.tables,
            frame=report.frame,
            markdown=markdown_of(report.tables),
            latex=_latex(report, command),
            command=command,
            spread=options.spread,
        )
    )


def _draw(report: Report) -> tuple[list[Path], list[Note]]:
    from vqx.reporting.pictures.draw import draw
    from vqx.reporting.pictures.options import picture_options

    options = report.options
    rows = [row for row in report.tables[0].lines if row is not None]
    drawn = draw(
        report.frame,
        rows or report.frame.rows,
        picture_options(options.pictures),
        out=options.out,
        name=options.name,
        published=report.beside.published if report.beside else (),
    )
    return drawn.paths, list(drawn.notes)


def _make_folder(path: Path, key: str) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VqxError(f"cannot write in {path} ({error.strerror}): give {key}=...") from error
