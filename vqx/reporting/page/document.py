"""The page's file: template, styles, scripts and data in one."""

import html
import re
from functools import cache
from pathlib import Path

from vqx.reporting.page.content import Page
from vqx.reporting.page.payload import page_data
from vqx.reporting.page.scripts import as_json, content_hash

_HERE = Path(__file__).parent
_LIBRARIES = ("table-core", "d3")
# In order: each may use what stands before it.
_SCRIPTS = (
    "elements",
    "store",
    "cells",
    "tooltip",
    "copy",
    "filter",
    "table",
    "keyboard",
    "chooser",
    "axes",
    "tradeoff",
    "series",
    "curves",
    "images",
    "configurations",
    "details",
    "start",
)
_STYLES = ("page", "table", "plots", "narrow")


def render_page(page: Page) -> str:
    """`page` as one HTML file that needs nothing else: no network, no other file.

    Everything out of run folders is text in it: shown, never executed.
    """
    style = _joined("css", _STYLES)
    libraries = {name: _library(name) for name in _LIBRARIES}
    program = f'"use strict";\n(() => {{\n{_joined("js", _SCRIPTS)}}})();\n'
    scripts = [*libraries.values(), program]
    parts = {
        "policy": _policy(scripts, style),
        "title": html.escape(page.title.encode(errors="replace").decode()),
        "style": style,
        "data": as_json(page_data(page)),
        "scripts": "\n".join(f"<script>{script}</script>" for script in scripts),
        "licences": html.escape("\n\n".join(_licence(name) for name in _LIBRARIES)),
    }
    template = _own("template.html")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], template)


def _policy(scripts: list[str], style: str) -> str:
    """Nothing is loaded and nothing is run but what stands in this file."""
    hashes = " ".join(content_hash(script) for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src {content_hash(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


@cache
def _own(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _joined(suffix: str, names: tuple[str, ...]) -> str:
    return "".join(_own(f"{name}.{suffix}") for name in names)


def _library(name: str) -> str:
    """A vendored library without the address of a source map that is not there."""
    return re.sub(r"\n//# sourceMappingURL=\S*", "", _own(f"vendor/{name}.min.js"))


def _licence(name: str) -> str:
    return f"{name}\n\n{_own(f'vendor/{name}.LICENSE').strip()}"
