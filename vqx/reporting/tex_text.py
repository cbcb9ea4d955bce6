r"""Any text as LaTeX that compiles: what every character becomes, and how wide it is.

The result is plain ASCII and needs no package: it compiles with pdflatex, xelatex and lualatex, in
any input and font encoding. Letters with accents become accent commands, Greek and common signs
math, superscripts \textsuperscript; whatever is left (CJK, emoji, control characters) becomes its
code point, [U+732B], so that two names that differ never read the same.
"""

# ruff: noqa: RUF001 - the signs that are told apart here

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby, pairwise

_ASCII = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "#": r"\#",
    "$": r"\$",
    "%": r"\%",
    "&": r"\&",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    '"': "''",
    "`": "{`}",  # apart from a second one, and from ! and ? before it
}


def _pairs(words: str) -> dict[str, str]:
    """Signs and what they become, one after the other."""
    listed = words.split()
    return dict(zip(listed[::2], listed[1::2], strict=True))


_MATH = _pairs(
    "± pm ∓ mp × times ÷ div · cdot • bullet ∗ ast ≤ leq ≥ geq ≠ neq ≈ approx ∼ sim ≡ equiv "
    "∝ propto ↑ uparrow ↓ downarrow ← leftarrow → rightarrow ↔ leftrightarrow ⇒ Rightarrow "
    "⇔ Leftrightarrow ↳ hookrightarrow ∞ infty ∑ sum ∏ prod ∫ int ∂ partial ∇ nabla ∈ in "
    "∩ cap ∪ cup ∅ emptyset ∀ forall ∃ exists ¬ neg ⊕ oplus ⊗ otimes ∥ | ⟨ langle ⟩ rangle "
    "ℓ ell µ mu λ lambda Λ Lambda ★ star ∘ circ"
)
_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa mu nu xi pi rho sigma tau "
    "upsilon phi chi psi omega"
)
_GREEK_CAPITALS = "gamma delta theta xi pi sigma upsilon phi psi omega"
_TEXT = _pairs(
    r"– -- — --- ‘ `{} ’ '{} “ `` ” '' … \dots{} − $-$ ° $^\circ$ ½ $\frac{1}{2}$ § $\S$ ¶ $\P$ "
    r"† $\dagger$ ‡ $\ddagger$ £ \pounds{} © \copyright{} ß \ss{} æ \ae{} Æ \AE{} œ \oe{} Œ \OE{} "
    r"ø \o{} Ø \O{} ł \l{} Ł \L{} ı \i{}"
)
_ABOVE = {
    **{"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0308": '"', "\u030b": "H"},
    **{"\u0304": "=", "\u0307": ".", "\u030a": "r", "\u030c": "v", "\u0306": "u"},
}
_BELOW = {"\u0327": "c", "\u0323": "d", "\u0331": "b"}
_ACCENTS = {**_ABOVE, **_BELOW}
_LONG = 24  # characters of a word from which it may be broken
_RUN = 12  # of it without a place to break at


def escape(text: str) -> str:
    """`text` on one line, so that LaTeX shows it as it is."""
    composed = unicodedata.normalize("NFC", " ".join(text.split()))
    return "".join(_pieces(composed))


def _pieces(text: str) -> Iterator[str]:
    """What characters become: raised ones in a row share a command, and -- makes no dash."""
    for kind, group in groupby(text, _shift):
        if kind:
            plain = "".join(unicodedata.normalize("NFKD", c) for c in group)
            yield f"\\text{kind}script{{{escape(plain)}}}"
        else:
            for before, character in pairwise(("", *group)):
                yield "{}" if character == before and character in "-'" else ""
                yield _character(character)


def _shift(character: str) -> str:
    """Where a character stands beside the line: super, sub, or ""."""
    kind = unicodedata.decomposition(character).partition(" ")[0]
    return {"<super>": "super", "<sub>": "sub"}.get(kind, "")


def _character(character: str) -> str:
    if character in _ASCII:
        return _ASCII[character]
    if character.isascii() and character.isprintable():
        return character
    if character in _TEXT:
        return _TEXT[character]
    if name := _MATH.get(character) or _greek(character):
        return f"$\\{name}$"
    return _accented(character) or f"[U+{ord(character):04X}]"


def _greek(character: str) -> str:
    """The name of a Greek letter's command, "" for another character."""
    words = unicodedata.name(character, "").lower().split()
    if words[:1] != ["greek"] or len(words) != 4 or words[2] != "letter":
        return ""
    name, capital = words[3], words[1] == "capital"
    if name not in (_GREEK_CAPITALS if capital else _GREEK).split():
        return ""
    return name.capitalize() if capital else name


def _accented(character: str) -> str:
    """A Latin letter with one accent as a command, "" for another character."""
    letter, *marks = list(unicodedata.normalize("NFD", character))
    if len(marks) != 1 or marks[0] not in _ACCENTS or not (letter.isascii() and letter.isalpha()):
        return ""
    dotless = f"\\{letter}" if letter in "ij" and marks[0] in _ABOVE else letter
    return f"\\{_ACCENTS[marks[0]]}{{{dotless}}}"


def breakable(text: str) -> str:
    r"""`escape`, with \allowbreak in words too long for a line, and `code` in typewriter."""
    spans = map(_words, re.split(r"`([^`]+)`", " ".join(text.split())))
    return "".join(rf"\texttt{{{span}}}" if i % 2 else span for i, span in enumerate(spans))


def at_start(latex: str) -> str:
    r"""`latex` so that it may follow \\, to which a bracket or a star would belong."""
    return f"{{}}{latex}" if latex.startswith(("[", "*")) else latex


def _words(text: str) -> str:
    return "".join(
        word if word.isspace() else _broken(word) for word in re.split(r"(\s+)", text) if word
    )


def _broken(word: str) -> str:
    """A long word with breaks after its separators, and in runs without any."""
    if len(word) <= _LONG:
        return escape(word)
    parts = re.findall(rf"[^/_=,.:-]{{0,{_RUN}}}[/_=,.:-]+|[^/_=,.:-]{{1,{_RUN}}}", word)
    return r"\allowbreak{}".join(map(escape, parts))


_WIDTHS = {
    **dict.fromkeys("!',.:;<[]_`il| ", 0.28),
    **dict.fromkeys("fjI()-rst", 0.36),
    **dict.fromkeys("cez>?", 0.46),
    **dict.fromkeys("mM@#%&+=GOQWw", 0.85),
    **dict.fromkeys("ABCDEFHKLNPRSTUVXYZ", 0.72),
}
_CODE_POINT = 4.6  # of [U+1F600]


def width(text: str) -> float:
    """About how wide `text` is set in one line, in em of its font."""
    return sum(_WIDTHS.get(c, 0.53) if c in _WIDTHS or c.isascii() else _wide(c) for c in text)


def _wide(character: str) -> float:
    if _shift(character):
        return 0.45
    return _CODE_POINT if _character(character).startswith("[U+") else 0.8
