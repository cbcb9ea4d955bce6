"""Data inside HTML: no text of it can end the element it is in."""

import json

import pytest

from vqx.reporting.page.scripts import as_json, content_hash


@pytest.mark.parametrize(
    "text", ["</script><script>alert(1)</script>", "<!--", "]]>", "a&amp;b", "\u2028", "\udcff"]
)
def test_no_text_can_end_the_element_and_all_come_back(text):
    written = as_json({text: [text]})
    assert not set("<>&\u2028") & set(written)
    assert written.isascii()
    assert json.loads(written) == {text: [text]}


def test_json_that_browsers_cannot_read_is_refused():
    with pytest.raises(ValueError, match="JSON"):
        as_json([float("nan")])


def test_the_hash_is_the_one_that_browsers_compute():
    # The example of the standard: alert('Hello, world.');
    expected = "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='"
    assert content_hash("alert('Hello, world.');") == expected
