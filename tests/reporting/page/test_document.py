"""The page's file as text: whole, closed to the network, and deaf to what runs are called."""

import hashlib
import json
import re
from base64 import b64encode
from html.parser import HTMLParser
from pathlib import Path

import pytest

import vqx.reporting.page
from tests.reporting.page.made_up import HOSTILE, page_of, write_many, write_troubled
from vqx.reporting.page import render_page

PACKAGE = Path(vqx.reporting.page.__file__).parent


class Elements(HTMLParser):
    """The elements of a document with their attributes, and the text of scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.found, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self.texts.append([self.found[-1], ""])

    def handle_data(self, data):
        if self.cdata_elem:
            self.texts[-1][1] += data


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    write_many(runs, rows=2)
    write_troubled(runs)
    return render_page(page_of(runs, title=f"Ours {HOSTILE}"))


@pytest.fixture(scope="module")
def elements(text):
    return Elements(text)


def test_nothing_is_loaded_from_anywhere(elements):
    for tag, attributes in elements.found:
        assert not {"src", "srcset", "data"} & set(attributes), tag
        assert tag not in ("link", "iframe", "object", "img", "base")
        assert not any(name.startswith("on") for name in attributes)


def test_the_policy_allows_what_is_there_and_no_more(elements):
    (policy,) = (
        attributes["content"]
        for _, attributes in elements.found
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    for (_, attributes), text in elements.texts:
        digest = b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert (f"'sha256-{digest}'" in policy) == (attributes.get("type") != "application/json")


def test_hostile_names_make_no_elements(text, elements):
    scripts = [attributes for tag, attributes in elements.found if tag == "script"]
    assert scripts == [{"type": "application/json", "id": "data"}, {}, {}, {}]
    assert HOSTILE not in text


def test_hostile_names_come_back_whole(elements):
    ((_, written),) = ((e, t) for e, t in elements.texts if e[1].get("id") == "data")
    data = json.loads(written)
    assert data["title"] == f"Ours {HOSTILE}"
    assert any(HOSTILE in row["label"] for row in data["rows"])


def test_the_page_itself_is_small(text, elements):
    ((_, data),) = ((e, t) for e, t in elements.texts if e[1].get("id") == "data")
    assert len(text) - len(data) < 450_000


def test_the_same_runs_give_the_same_bytes(tmp_path):
    write_many(tmp_path, rows=1)
    assert render_page(page_of(tmp_path)) == render_page(page_of(tmp_path))


def test_names_that_are_no_unicode_are_written(tmp_path):
    write_many(tmp_path, rows=1, seeds=1)
    text = render_page(page_of(tmp_path, title="bad \udcff"))
    assert text.encode()


def test_licences_of_what_is_inside_are_inside(text):
    for name in ("table-core", "d3"):
        licence = (PACKAGE / "vendor" / f"{name}.LICENSE").read_text()
        assert re.search(r"Copyright .*", licence)[0] in text
    assert "sourceMappingURL" not in text


def test_own_code_never_reads_text_as_html():
    for path in PACKAGE.glob("*.js"):
        code = path.read_text()
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\.html\(|\beval\(", code
        ), path.name
        assert code.count("\n") < 300
