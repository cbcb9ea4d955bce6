"""The report as one HTML file that opens from disk: table, curves, trade-offs and images."""

from vqx.reporting.page.content import Page
from vqx.reporting.page.document import render_page

__all__ = ["Page", "render_page"]
