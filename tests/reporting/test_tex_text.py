"""Text that LaTeX shows as it is."""

# ruff: noqa: RUF001 - the signs that are told apart here

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reporting.typesetting import needs_pdflatex, typeset
from vqx.reporting.latex import render_document
from vqx.reporting.tex_text import at_start, breakable, escape, width


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("codebook_size=1024", r"codebook\_size=1024"),
        ("50 % of $5 & #1 {x}", r"50 \% of \$5 \& \#1 \{x\}"),
        ("a\\b ~ ^", r"a\textbackslash{}b \textasciitilde{} \textasciicircum{}"),
        ("<script>|", r"$<$script$>$$|$"),
        ("--watch 'it' it''s", r"-{}-watch 'it' it'{}'s"),
        ('?` "q"', r"?{`} ''q''"),
        ("PSNR ↑ ± 2 µm × ≤ ∞", r"PSNR $\uparrow$ $\pm$ 2 $\mu$m $\times$ $\leq$ $\infty$"),
        ("ᵃᵇ x² a₁", r"\textsuperscript{ab} x\textsuperscript{2} a\textsubscript{1}"),
        ("βλΛΩ", r"$\beta$$\lambda$$\Lambda$$\Omega$"),
        (
            "Müller, Señor, naïve, Çelik, Łódź",
            r"M\"{u}ller, Se\~{n}or, na\"{\i}ve, \c{C}elik, \L{}\'{o}d\'{z}",
        ),
        ("e\u0301", r"\'{e}"),
        ("猫 😀 \x00", "[U+732B] [U+1F600] [U+0000]"),
        ("\ud800 ế", "[U+D800] [U+1EBF]"),
        ("two\n  lines\u2028three", "two lines three"),
        ("“a” – b", "``a'' -- b"),
    ],
)
def test_escape(text: str, latex: str) -> None:
    assert escape(text) == latex


@given(st.text())
def test_the_result_is_ascii_on_one_line(text: str) -> None:
    for latex in (escape(text), breakable(text)):
        assert latex.isascii()
        assert "\n" not in latex


_EXOTIC = st.text(st.characters(min_codepoint=0x3000, categories=["Lo", "So"]), min_size=1)


@given(_EXOTIC, _EXOTIC)
def test_names_that_differ_stay_different(first: str, second: str) -> None:
    same = unicodedata.normalize("NFC", first) == unicodedata.normalize("NFC", second)
    assert (escape(first) == escape(second)) == same


def test_long_words_may_break_and_short_ones_do_not() -> None:
    path = "results/runs/vq-codebook_size1024-seed0"
    assert breakable(path).replace(r"\allowbreak{}", "") == escape(path)
    assert breakable(path).count(r"\allowbreak{}") == 5
    assert breakable("x" * 40).count(r"\allowbreak{}") == 3
    assert breakable("codebook_size=1024 of it") == escape("codebook_size=1024 of it")


def test_code_is_set_in_typewriter() -> None:
    assert breakable("run `python -m a_b --x` now") == (r"run \texttt{python -m a\_b -{}-x} now")
    assert breakable("a ` b") == "a {`} b"


@pytest.mark.parametrize(("latex", "guarded"), [("[1]", "{}[1]"), ("*", "{}*"), ("a[", "a[")])
def test_what_follows_a_line_is_no_option_of_it(latex: str, guarded: str) -> None:
    assert at_start(latex) == guarded


class TestTypeset:
    """With a real LaTeX."""

    pytestmark = needs_pdflatex

    def test_any_text_compiles(self, tmp_path: Path) -> None:
        texts = ["\\", "%", "x\\\\", "--", "?`", "$$", "\\input{x}", "^^41", "`a` `", "[", "*"]

        @settings(max_examples=400, database=None)
        @given(st.text() | st.text("\\{}%#$&_^~`'\"-<>|[]* aé^", max_size=30))
        def collect(text: str) -> None:
            texts.append(text)

        collect()
        rows = [rf"{at_start(escape(text))} & {breakable(text)} \\" for text in texts]
        captions = [rf"\noindent\textbf{{{breakable(text)}}}: {escape(text)}\par" for text in texts]
        pages = [
            "\n".join([r"\begin{tabular}{ll}", *rows[i : i + 40], r"\end{tabular}\clearpage"])
            for i in range(0, len(rows), 40)
        ]
        typeset(render_document("\n".join([*pages, *captions])), tmp_path)

    def test_every_character_of_the_first_planes_compiles(self, tmp_path: Path) -> None:
        lines = [rf"x{escape(chr(code))}\par" for code in range(0x2600)]
        text = typeset(render_document("\n".join(lines)), tmp_path).text()
        assert "[U+0416]" in text

    def test_characters_come_out_as_themselves(self, tmp_path: Path) -> None:
        words = ["50%", "$5", "R&D", "#1", "{x}", "a\\b", "<i>", "k|k", "--x", "p±q↑"]
        text = typeset(render_document("\n\n".join(map(escape, words))), tmp_path).text()
        for word in words:
            assert word in text

    def test_the_width_of_a_line_is_about_right(self, tmp_path: Path) -> None:
        texts = ["serezd/standard_vqvae_cb4096", "0.00251 ± 0.00006", "PERPLEXITY", "猫 state"]
        lines = [rf"\setbox0\hbox{{{escape(t)}}}\message{{width \the\wd0;}}" for t in texts]
        log = typeset(render_document("\n".join([*lines, "x"])), tmp_path).log
        for text in texts:
            _, _, log = log.partition("width ")
            points, _, log = log.partition("pt;")
            assert float(points) / 10 == pytest.approx(width(text), rel=0.12)
