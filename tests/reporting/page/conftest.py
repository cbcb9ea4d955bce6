"""A browser and pages for it, made once for all tests of a file."""

import pytest

from tests.reporting.page.browser import chromium, opened
from tests.reporting.page.made_up import page_of, write_many, write_troubled
from vqx.reporting.page import render_page


@pytest.fixture(scope="package")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="package")
def folder(tmp_path_factory):
    """Six rows of three seeds, six sorry runs, and what others published."""
    runs = tmp_path_factory.mktemp("runs")
    write_many(runs, rows=6)
    write_troubled(runs)
    return runs


@pytest.fixture(scope="package")
def report(folder):
    """The page of `folder`."""
    path = folder.parent / "report.html"
    path.write_text(render_page(page_of(folder)))
    return path


@pytest.fixture
def here(browser, report):
    """The page, open at 1280 pixels."""
    with opened(browser, report) as found:
        yield found
