"""Strips of validation images out of run folders, as data URIs; each distinct one is kept once."""

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vqx.errors import VqxError
from vqx.reporting.page.limits import PICTURE_BYTES, Budget

INPUTS, OUTPUTS = "inputs.png", "outputs.png"
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LARGEST_SIDE = 32_768


def read_strip(path: Path) -> tuple[bytes, int, int]:
    """A PNG file's bytes, its width and height. Raises VqxError naming what is wrong with it."""
    try:
        size = path.stat().st_size
        if size > PICTURE_BYTES:
            raise VqxError(f"images/{path.name} is too large for a page ({size:,} bytes)")
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise VqxError(f"no images/{path.name}") from error
    except OSError as error:
        raise VqxError(f"images/{path.name} cannot be read ({error.strerror})") from error
    if not content.startswith(_SIGNATURE) or content[12:16] != b"IHDR":
        raise VqxError(f"images/{path.name} is no PNG file")
    width, height = (int.from_bytes(content[start : start + 4]) for start in (16, 20))
    if not (0 < width <= _LARGEST_SIDE and 0 < height <= _LARGEST_SIDE):
        raise VqxError(f"images/{path.name} is damaged ({width}x{height} pixels)")
    return content, width, height


def images_in(width: int, height: int) -> int:
    """How many square images stand side by side in a strip; 1 where they are not square."""
    return width // height if width % height == 0 else 1


@dataclass(slots=True)
class Strips:
    """The distinct strips of a page, in order of their first use."""

    budget: Budget
    found: list[dict[str, Any]] = field(default_factory=list)
    _index: dict[bytes, int] = field(default_factory=dict)

    def add(self, path: Path) -> int | None:
        """The index of a file's strip in `found`; None when the page is full.

        Raises VqxError naming a file that is missing or no picture.
        """
        content, width, height = read_strip(path)
        if content in self._index:
            return self._index[content]
        uri = "data:image/png;base64," + base64.b64encode(content).decode()
        if not self.budget.take(len(uri)):
            return None
        self._index[content] = len(self.found)
        count = images_in(width, height)
        self.found.append({"uri": uri, "width": width, "height": height, "count": count})
        return self._index[content]
