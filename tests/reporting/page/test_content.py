"""What a page can do without."""

from dataclasses import replace

from tests.reporting.page.made_up import page_of, write_many
from vqx.reporting.page import Page
from vqx.reporting.page.payload import page_data


def test_a_page_needs_a_title_tables_and_their_rows_alone(tmp_path):
    write_many(tmp_path, rows=1, seeds=1)
    whole = page_of(tmp_path)
    page = Page(title="x", tables=whole.tables, frame=whole.frame)
    data = page_data(page)
    assert (data["markdown"], data["latex"], data["command"]) == ("", "", "")
    assert page_data(replace(page, latex=whole.latex))["latex"] == whole.latex
