"""A real pdflatex, for tests of what is made for it."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

needs_pdflatex = [
    pytest.mark.latex,
    pytest.mark.skipif(
        shutil.which("pdflatex") is None,
        reason="no pdflatex: apt-get install texlive-latex-recommended",
    ),
]


@dataclass(frozen=True, slots=True)
class Typeset:
    """What pdflatex made: its log, and by how many pt boxes are too wide or high."""

    log: str
    overfull: tuple[float, ...]
    pdf: Path

    def text(self) -> str:
        """The words of all pages, single spaces between them."""
        answer = subprocess.run(
            ["pdftotext", "-layout", str(self.pdf), "-"], capture_output=True, check=True, text=True
        )
        return " ".join(answer.stdout.split())


def typeset(document: str, folder: Path, *, passes: int = 1) -> Typeset:
    """Compile a whole document; fails with the first error, and for a character without a glyph."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a.tex").write_text(document, encoding="ascii")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"]
    for _ in range(passes):
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=120)
    log = (folder / "a.log").read_text(errors="replace")
    error = re.search(r"^!.*(?:\n.*){0,8}", log, re.MULTILINE)
    assert done.returncode == 0, error and error[0]
    assert "Missing character" not in log
    wide = re.findall(r"Overfull \\[hv]box \(([\d.]+)pt too", log)
    too_large = re.findall(r"Float too large for page by ([\d.]+)pt", log)
    return Typeset(log, tuple(map(float, [*wide, *too_large])), folder / "a.pdf")
