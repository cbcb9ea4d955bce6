"""Tables as GitHub-flavoured Markdown."""

import re

from vqx.reporting.cells import Cell, Table
from vqx.reporting.columns import ABSENT

_PLAIN = re.compile(r"[A-Za-z0-9.,:;%±()=+/-]+(?: [A-Za-z0-9.,:;%±()=+/-]+)*")


def render_markdown(table: Table) -> str:
    """The table with its caption and notes.

    Best values are bold, second ones underlined, what others printed italic.
    """
    lines = [escape(table.caption), ""] if table.caption else []
    lines.append(_line([escape(title) for title in table.header]))
    text = table.text_columns
    lines.append(_line(["---" if i in text else "---:" for i in range(len(table.header))]))
    lines += [_line([_cell(cell) for cell in row]) for row in table.rows]
    if table.notes:
        lines.append("")
        lines += [f"- **{escape(note.about)}**: {escape(note.text)}" for note in table.notes]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """`text` so that GitHub shows it as it is, in a table's cell too; `code` stays code."""
    if _PLAIN.fullmatch(text):  # as nearly all are, of thousands
        return text
    pieces = re.split(r"(`[^`]+`)", " ".join(text.split()))
    return "".join(
        piece.replace("|", r"\|") if index % 2 else _escape_plain(piece)
        for index, piece in enumerate(pieces)
    )


def _escape_plain(text: str) -> str:
    escaped = re.sub(r"([\\`*<>|\[~&$#])", r"\\\1", text)
    # Underscores inside words are no emphasis: snake_case stays readable in the source.
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", escaped)


def _cell(cell: Cell) -> str:
    spread = f" ± {cell.spread}" if cell.spread else ""
    text = escape(cell.text + spread)
    if cell.grey and text not in ("", ABSENT):
        return f"*{text}*{cell.mark}"
    if cell.second:
        return f"<ins>{text}</ins>{cell.mark}"  # GitHub shows no <u>
    return f"**{text}**{cell.mark}" if cell.best else text + cell.mark


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
