"""Paragraphs for a terminal."""

import re
import textwrap


def hanging(about: str, text: str, *, indent: int, width: int) -> list[str]:
    """Lines of `text` indented by `indent`, with `about` before the first, or above if too long.

    A command in backticks is kept on one line, so that it can be copied.
    """
    whole = re.sub(r"`[^`]+`", lambda m: m[0].replace(" ", "\0"), " ".join(text.split()))
    room = max(30, width - indent)
    lines = textwrap.wrap(whole, room, break_long_words=False, break_on_hyphens=False) or [""]
    texts = [" " * indent + line.replace("\0", " ") for line in lines]
    if len(about) < indent:
        return [(about + texts[0][len(about) :]).rstrip(), *texts[1:]]
    return [about.rstrip(), *texts]
