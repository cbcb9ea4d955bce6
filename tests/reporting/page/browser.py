"""A real Chromium that opens a page from disk and keeps a record of all it complains of."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# What is copied is kept in the page, so that no machine's clipboard takes part in a test.
_CLIPBOARD = """
window.copied = [];
Object.defineProperty(navigator, "clipboard", {
  value: { writeText: async (text) => { window.copied.push(text); } },
});
"""


@dataclass
class Opened:
    """An open page; `complaints` are errors and requests that leave the file."""

    page: Any
    complaints: list[str] = field(default_factory=list)

    def table(self) -> list[list[str]]:
        """The visible texts of the main table, line by line."""
        script = """() => [...document.querySelectorAll("#main-table tbody tr")].map((row) =>
          [...row.children].filter((cell) => !cell.hidden).map((cell) => cell.innerText.trim()))"""
        found: list[list[str]] = self.page.evaluate(script)
        return found

    def column(self, key: str) -> list[str]:
        """The texts of one visible column of the main table, by its key."""
        script = """(key) => {
          const heads = [...document.querySelectorAll("#main-table thead th")];
          const index = heads.findIndex((head) => head.dataset.key === key);
          return [...document.querySelectorAll("#main-table tbody tr")].map(
            (row) => row.children[index].innerText.trim());
        }"""
        found: list[str] = self.page.evaluate(script, key)
        return found

    def copied(self, count: int) -> list[str]:
        """The texts copied so far, once there are `count` of them."""
        # Not by wait_for_function: the page's policy forbids code from strings, its too.
        for _ in range(50):
            found: list[str] = self.page.evaluate("copied")
            if len(found) >= count:
                break
            self.page.wait_for_timeout(100)
        return found

    def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        script = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(self.page.evaluate(script))

    def click_point(self, label: str) -> None:
        """Click into the middle of the trade-off's point whose name begins so."""
        point = self.page.locator(f'.point[aria-label^="{label}"] .dot')
        point.scroll_into_view_if_needed()
        box = point.bounding_box()
        self.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless Chromium with a profile of its own; skips the test where there is none."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no chromium: `apt-get install chromium`")
    api = pytest.importorskip(
        "playwright.sync_api", reason="no playwright: pip install 'vqx[test]'"
    )
    with api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@contextmanager
def opened(browser: Any, path: Path, *, width: int = 1280, dark: bool = False) -> Iterator[Opened]:
    """`path` in a window of its own. Fails the test for any complaint."""
    scheme = "dark" if dark else "light"
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    )
    context.add_init_script(_CLIPBOARD)
    context.set_default_timeout(30_000)  # machines are busy
    page = context.new_page()
    found = Opened(page)
    page.on("console", lambda message: found.complaints.append(message.text))
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    page.on("dialog", lambda dialog: found.complaints.append(f"dialog: {dialog.message}"))
    page.on("request", lambda request: _note(found, path, request.url))
    page.goto(path.as_uri())
    yield found
    page.evaluate("new Promise(requestAnimationFrame)")
    context.close()
    assert found.complaints == []


def _note(found: Opened, path: Path, url: str) -> None:
    if url != path.as_uri() and not url.startswith("data:image/png;"):
        found.complaints.append(f"request: {url[:200]}")
