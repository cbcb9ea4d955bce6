"""Data, scripts and styles so that they can stand inside HTML and be nothing else."""

import base64
import hashlib
import json
from typing import Any

# In JSON these letters stand in strings alone, where an escape means the same; without them no
# text can end the element it is in, begin another, or open a comment.
_UNSAFE = {letter: f"\\u{ord(letter):04x}" for letter in "<>&"}


def as_json(data: Any) -> str:
    """JSON in ASCII that is safe inside <script>. Raises ValueError for NaN and infinities."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    for letter, escape in _UNSAFE.items():
        text = text.replace(letter, escape)
    return text


def content_hash(text: str) -> str:
    """What a Content-Security-Policy calls an inline script or style by."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
