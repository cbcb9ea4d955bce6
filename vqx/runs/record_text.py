"""JSON records as text, parsed in pieces: runs share most of what they say of where they ran."""

import json
from typing import Any

Piece = dict[str, Any]
_START, _BETWEEN, _END = '{\n "', ',\n "', "\n}"


class RecordParser:
    """Parses many JSON objects, each distinct member of them once.

    Members are told apart in the layout that vqx writes, an indent of one; other JSON is parsed as
    a whole. A string holds no line break, so a cut within a member leaves none that parses. Equal
    members are one object in all that come out: nobody may change them.
    """

    def __init__(self) -> None:
        self._known: dict[str, Piece] = {}

    def parse(self, content: bytes) -> tuple[Piece, ...]:
        """Members whose union is the object that `content` is.

        Raises ValueError for what is no JSON or no object, with the reason.
        """
        try:
            return self._members(content.decode()) or (_whole(content),)
        except UnicodeDecodeError:
            return (_whole(content),)

    def _members(self, text: str) -> tuple[Piece, ...] | None:
        body = text.rstrip("\n")
        if not (body.startswith(_START) and body.endswith(_END)):
            return None
        found = []
        for member in body[len(_START) : -len(_END)].split(_BETWEEN):
            parsed = self._known.get(member)
            if parsed is None:
                try:
                    parsed = json.loads(f'{{"{member}}}')
                except (ValueError, RecursionError):
                    return None
                self._known[member] = parsed
            found.append(parsed)
        return tuple(found)


def _whole(content: bytes) -> Piece:
    try:
        record = json.loads(content)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(record, dict):
        raise ValueError("no JSON object")
    return record
