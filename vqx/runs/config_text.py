"""Configurations as text, parsed in pieces: runs share most of their lines, and YAML is slow."""

import re
from typing import Any

_NEXT_KEY = re.compile(r"\n(?=[A-Za-z_])")
# A line that begins neither with a plain key nor with blanks nor as an item of a list (the end of a
# document, a directive, a quoted or complex key, a comment, ...), or an anchor: none may be twice.
_UNUSUAL = re.compile(r"\n(?:[^A-Za-z_ \n-]|-[^ \n])|[\s\[{,:?-]&")
_OWN_LINE = re.compile(r"([A-Za-z_]\w*):\n  (?=[A-Za-z_])", re.ASCII)
_OTHER_BREAKS = ("\x85", "\u2028", "\u2029", "\ufeff")

Piece = dict[str, Any]


class ConfigParser:
    """Parses the text of many configurations, each distinct piece of them once.

    A piece is a key at the root, or in a mapping below it, with all that belongs to it. What comes
    out is what YAML's safe loader gives for the whole text, which is parsed as such wherever it is
    not plain. Equal pieces are one object in all that come out: nobody may change them.
    """

    def __init__(self) -> None:
        self._known: dict[str, Piece] = {}

    def parse(self, text: str) -> tuple[Piece, ...]:
        """Pieces whose union is the mapping that `text` is.

        Raises ValueError for what is no YAML or no mapping, with the reason.
        """
        pieces = self._pieces(text)
        if pieces is None:
            whole = _load(text)
            if not isinstance(whole, dict):
                raise ValueError("no keys in it")
            return (whole,)
        return pieces

    def _pieces(self, text: str) -> tuple[Piece, ...] | None:
        """None where the text cannot be cut, or a piece does not stand alone."""
        if not _is_plain(text):
            return None
        found = []
        for piece in _NEXT_KEY.split(text[:-1]):
            parsed = self._known.get(piece)
            if parsed is None:
                parsed = self._parsed(piece)
                if parsed is None:
                    return None
                self._known[piece] = parsed
            found.append(parsed)
        return tuple(found)

    def _parsed(self, piece: str) -> Piece | None:
        """A piece, without its last newline, as a mapping; None if it is none by itself."""
        start = _OWN_LINE.match(piece)
        if start and piece.count("\n") == piece.count("\n  "):
            inner = self._pieces(piece[start.end() :].replace("\n  ", "\n") + "\n")
            if inner is not None:
                return {name: union(inner) for name in self._names(start[1])}
        try:
            parsed = _load(piece + "\n")
        except ValueError:
            return None
        return parsed if isinstance(parsed, dict) else None

    def _names(self, key: str) -> list[str]:
        """What YAML takes a plain `key` for: `on` is no text."""
        known = self._known.get(f"{key}:")
        if known is None:
            known = self._known[f"{key}:"] = _load(f"{key}:\n")
        return list(known)


def _is_plain(text: str) -> bool:
    """Whether lines that begin with a letter begin a key, as far as can be seen from outside."""
    first = text[:1]
    return (
        (first == "_" or ("a" <= first.lower() <= "z" and first.isascii()))
        and text.endswith("\n")
        and "\t" not in text
        and "\r" not in text
        and (text.isascii() or not any(other in text for other in _OTHER_BREAKS))
        and _UNUSUAL.search(text) is None
    )


def union(pieces: tuple[Piece, ...]) -> dict[str, Any]:
    """One mapping of all pieces, in order; of a key that comes twice the last counts."""
    whole: dict[str, Any] = {}
    for piece in pieces:
        whole.update(piece)
    return whole


def _load(text: str) -> Any:
    """`text` as YAML. Raises ValueError with its reason."""
    import yaml

    try:
        # The C parser is ten times as fast, but not in every build of the package.
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error).splitlines()[0]) from error
