"""The page's table in a real browser: sort, filter, columns, copies; by pointer and by keyboard."""

import pytest

from tests.reporting.page.browser import opened
from tests.reporting.page.made_up import LATEX, MARKDOWN

pytestmark = [pytest.mark.browser, pytest.mark.long]


def numbers(texts):
    """The numbers in front of texts, None where there is none."""
    return [None if text == "-" else float(text.split()[0].rstrip("¹")) for text in texts]


def header(here, key):
    return here.page.locator(f'#main-table th[data-key="{key}"]')


def test_it_opens_from_disk_with_all_rows_and_says_how_many(here):
    assert len(here.table()) == 13
    assert here.page.inner_text("#count") == "13 rows"
    assert here.page.title() == "Quantizers"
    assert "12 rows, 24 runs" in here.page.inner_text("#summary")


def test_a_click_sorts_best_first_then_worst_first_then_not(here):
    before = here.column("lpips")
    for direction, sign in (("ascending", 1), ("descending", -1)):
        header(here, "lpips").locator("button").click()
        found = [n for n in numbers(here.column("lpips")) if n is not None]
        assert found == sorted(found, key=lambda n: sign * n)
        assert header(here, "lpips").get_attribute("aria-sort") == direction
        missing = [text == "-" for text in here.column("lpips")]
        assert missing == sorted(missing)  # last in either direction
    header(here, "lpips").locator("button").click()
    assert here.column("lpips") == before
    assert header(here, "lpips").get_attribute("aria-sort") == "none"


def test_what_is_better_when_higher_starts_with_the_highest(here):
    header(here, "psnr").locator("button").click()
    found = [n for n in numbers(here.column("psnr")) if n is not None]
    assert found == sorted(found, reverse=True)
    assert header(here, "psnr").get_attribute("aria-sort") == "descending"


def test_names_are_sorted_as_people_count(here):
    here.page.fill("#filter", "vq codebook")
    header(here, "row").locator("button").click()
    sizes = [int(label.rpartition("=")[2]) for label in here.column("row")]
    assert sizes == sorted(sizes)
    assert max(sizes) > 1000


def test_the_keyboard_alone_sorts_and_opens_details(here):
    page = here.page
    page.focus("#filter")
    for _ in range(8):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('#main-table') !== null"):
            break
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert header(here, "usage").get_attribute("aria-sort") == "descending"
    page.keyboard.press("ArrowDown")
    assert here.column("usage")[0] == page.evaluate("document.activeElement.innerText")
    assert "protocol of usage" in page.inner_text("#tip")
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    assert page.evaluate("document.activeElement.type") == "checkbox"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "details-heading"
    assert page.inner_text("#details-heading") == here.column("row")[0]
    page.keyboard.press("Escape")
    assert page.locator("#details").is_hidden()
    assert page.evaluate("document.activeElement.className") == "label"


def test_what_a_focused_number_tells_goes_along_when_the_table_scrolls(browser, report):
    with opened(browser, report, width=360) as here:
        page = here.page
        page.focus("#main-table tr[data-row='1'] .label")
        for _ in range(5):
            page.keyboard.press("ArrowRight")
            page.wait_for_timeout(100)  # for what scrolling brings about
            assert page.locator("#tip").is_visible()
        assert page.evaluate("document.querySelector('#main-table .scroller').scrollLeft") > 0
        assert "protocol of SSIM" in page.inner_text("#tip")
        cell, tip = (page.locator(which).bounding_box() for which in (":focus", "#tip"))
        assert 0 <= cell["x"] <= 360 - cell["width"]
        assert abs(tip["y"] + tip["height"] - cell["y"]) < 20


def test_the_focus_is_seen(here):
    here.page.focus("#filter")
    here.page.keyboard.press("Tab")
    assert here.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


QUERIES = {
    "ema": 4,
    "vq failed": 1,
    "stale": 1,
    "psnr>0": 9,
    "collapsed psnr<20": 1,
    "codebook_size=8192": 1,
    "n=3": 6,
    "n<=0": 4,
    "zz": 0,
    "": 13,
}


def test_the_filter_takes_words_and_comparisons(here):
    for query, count in QUERIES.items():
        here.page.fill("#filter", query)
        said = f"{count} of 13 rows" if query else "13 rows"
        assert here.page.inner_text("#count") == said, query
        assert here.page.locator("#main-table tbody th:visible").count() == count, query
        assert here.page.locator(".nothing").count() == (count == 0), query


def test_columns_are_hidden_and_shown(here):
    page = here.page
    assert header(here, "bits").is_hidden()
    page.click("summary:text('Columns')")
    page.check("label:text-is('bits per image')")
    page.uncheck("label:text-is('SSIM ↑')")
    assert header(here, "bits").is_visible()
    assert header(here, "ssim").is_hidden()
    widths = {len(row) for row in here.table()}
    assert widths == {page.locator("#main-table thead th:visible").count()}
    page.keyboard.press("Escape")
    assert page.locator(".columns").is_hidden()


def test_a_number_tells_its_seeds_and_protocol_when_pointed_at(here):
    cell = here.page.locator("#main-table tbody tr[data-row='1'] td").nth(4)
    cell.hover()
    tip = here.page.locator("#tip")
    assert "n = 3: " in tip.inner_text()
    assert "protocol of PSNR" in tip.inner_text()
    here.page.keyboard.press("Escape")
    assert tip.is_hidden()
    cell.focus()
    assert tip.is_visible()


def test_a_state_tells_why(here):
    here.page.locator("#main-table .state-collapsed").hover()
    assert here.page.inner_text("#tip") == "seed 0 collapsed: usage fell to 0.01 at step 40"


def test_states_are_words_and_published_rows_are_grey(here):
    states = here.column("state")
    for word in ("done", "failed", "collapsed", "diverged", "queued", "stale", "published¹"):
        assert any(word in text for text in states), word
    colors = here.page.evaluate(
        """() => ["tr.published th", "tr:not(.published) td.number"].map(
          (which) => getComputedStyle(document.querySelector("#main-table " + which)).color)"""
    )
    assert colors[0] != colors[1]


def test_copies_are_the_very_strings_of_the_report(here):
    here.page.click("button:text-is('Copy Markdown')")
    here.page.click("button:text-is('Copy LaTeX')")
    assert here.copied(2) == [MARKDOWN, LATEX]
    assert "LaTeX copied" in here.page.inner_text("#status")


def test_what_is_shown_can_be_copied_as_it_is_shown(here):
    page = here.page
    page.fill("#filter", "levels")
    page.click("summary:text('Copy as shown')")
    for name in ("Markdown", "LaTeX", "Tab-separated text"):
        page.click(f"button:text-is('{name}, as shown')")
    markdown, latex, tabs = here.copied(3)
    assert len(markdown.splitlines()) == len(here.table()) + 2
    assert r"\<script\>" in markdown
    assert markdown.startswith("| quantizer | codes |")
    assert r"\textless{}script\textgreater{}" in latex
    assert latex.startswith("\\begin{tabular}{lrrrrrrrrl}\n\\toprule")
    assert [row.split("\t")[0] for row in tabs.splitlines()[1:]] == here.column("row")


def test_a_clipboard_that_refuses_is_got_round(here):
    here.page.evaluate(
        "navigator.clipboard.writeText = async () => { throw new Error('no'); };"
        "document.execCommand = () => { copied.push(document.activeElement.value); return true; };"
        "null"
    )
    here.page.click("button:text-is('Copy Markdown')")
    assert here.copied(1) == [MARKDOWN]


def test_notes_and_other_tables_stand_below(here):
    assert "code 1234567 in some rows" in here.page.inner_text("#main-table .confound")
    assert here.page.inner_text("#main-table .note code") == "range 255"
    assert "Paired differences" in here.page.inner_text("#more-tables")
    assert "-0.50 ± 0.10" in here.page.inner_text("#more-tables")


@pytest.mark.parametrize("width", [360, 620, 1000, 1280])
def test_nothing_is_wider_than_the_window(browser, report, width):
    with opened(browser, report, width=width) as here:
        assert here.overflow() <= 0
        here.page.click("summary:text('Columns')")
        assert here.overflow() <= 0
        here.page.keyboard.press("Escape")
        here.page.locator("#main-table .label").first.click()
        assert here.overflow() <= 0
        box = here.page.locator("#details").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


def test_a_dark_system_gets_a_dark_page(browser, report):
    grounds = []
    for dark in (False, True):
        with opened(browser, report, dark=dark) as here:
            script = "getComputedStyle(document.documentElement).backgroundColor"
            grounds.append(here.page.evaluate(script))
    assert grounds == ["rgb(255, 255, 255)", "rgb(20, 23, 28)"]
