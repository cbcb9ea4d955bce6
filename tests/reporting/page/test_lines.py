"""Tables as plain data."""

from dataclasses import replace

import pytest

from tests.reporting.page.made_up import table_of
from tests.runs.synthetic import config_of, result_of, write_run
from vqx.reporting.cells import Cell, Table
from vqx.reporting.frame import build_frame
from vqx.reporting.main_table import build_table
from vqx.reporting.page.lines import Texts, extra_keys, table_data, written_number
from vqx.runs.reading import read_runs


@pytest.fixture
def frame(tmp_path):
    for name, psnr in (("vq", 25.0), ("ema", 26.0)):
        for seed in (0, 1):
            config = config_of(name, seed=seed)
            write_run(tmp_path, config, result=result_of(config, psnr=psnr + seed))
    return build_frame(read_runs([str(tmp_path)])[0])


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("24.1", 24.1),
        ("-0.50", -0.5),
        ("25,600", 25600),
        ("662.1 k", 662100),
        ("1.2 M", 1.2e6),
        ("3 T", 3e12),
        ("2^18", 262144),
        ("1e-05", 1e-5),
        ("-", None),
        ("", None),
        ("1 min 5 s", None),
        ("done", None),
        ("2^9999", None),
    ],
)
def test_a_number_is_read_from_its_text(text, number):
    assert written_number(text) == number


def test_cells_carry_numbers_in_the_unit_of_their_column(frame):
    found = table_data(table_of(frame, keys=("usage", "psnr")), frame, Texts())
    usage, psnr = found["rows"][0]["cells"][1:3]
    assert usage["number"] == pytest.approx(float(usage["text"]), abs=0.06)  # %, not a share
    assert psnr["number"] == pytest.approx(26.5)
    assert psnr["error"] == pytest.approx(0.71)
    assert found["columns"][2]["better"] == "higher"
    assert [column.get("text", False) for column in found["columns"]] == [
        True,
        False,
        False,
        False,
        True,
    ]


def test_hovers_are_kept_once_by_line(frame):
    texts = Texts()
    found = table_data(table_of(frame, keys=("psnr",)), frame, texts)
    first, second = (row["cells"][1]["hover"] for row in found["rows"])
    assert [texts.found[i] for i in first] == ["n = 2: 26.00, 27.00", "protocol of PSNR"]
    assert first[1] == second[1]


def test_lines_name_their_rows_and_published_ones_none(frame):
    found = table_data(table_of(frame, published=True), frame, Texts())
    assert [row["row"] for row in found["rows"]] == [0, 1, None]
    assert found["rows"][2]["cells"][1]["grey"]


def test_a_line_of_another_frame_is_an_error(frame):
    table = table_of(frame)
    stranger = replace(frame.rows[0], label="stranger")
    with pytest.raises(ValueError, match="stranger"):
        table_data(replace(table, lines=(stranger, frame.rows[1])), frame, Texts())


def test_other_columns_are_there_but_hidden(frame):
    table = table_of(frame, keys=("psnr",))
    more = extra_keys(table, frame)
    assert "bits" in more
    assert "psnr" not in more
    assert "rfid" not in more  # no run has it
    extra = build_table(frame, columns=more, hover=True)
    found = table_data(table, frame, Texts(), extra=extra)
    keys = [column["key"] for column in found["columns"]]
    assert keys == ["row", "psnr", *more, "n", "state"]
    assert [c["key"] for c in found["columns"] if c.get("hidden")] == more
    for row in found["rows"]:
        assert row["cells"][keys.index("bits")]["number"] == pytest.approx(2551.3)
        assert len(row["cells"]) == len(keys)


def test_hidden_columns_follow_the_order_of_the_lines(frame):
    table = table_of(frame, keys=("psnr",), published=True)
    turned = replace(table, rows=table.rows[::-1], lines=table.lines[::-1])
    extra = build_table(frame, columns=["l2"])
    found = table_data(turned, frame, Texts(), extra=extra)
    published, *ours = found["rows"]
    assert published["cells"][2]["text"] == ""
    for row in ours:
        psnr = row["cells"][1]["number"]
        assert row["cells"][2]["number"] == pytest.approx(10 ** (-psnr / 10), rel=0.05)


def test_a_table_without_keys_is_shown_by_its_texts(frame):
    table = Table("", ("levels", "8", "state"), ((Cell("a"), Cell("3.5"), Cell("x")),), ())
    found = table_data(table, frame, Texts())
    assert found["rows"][0]["cells"][1]["number"] == 3.5
    assert extra_keys(table, frame) == []


def test_columns_of_one_metric_are_told_apart(frame):
    cells = (Cell("vq"), Cell("0.5", value=0.5), Cell("0.6", value=0.6), Cell("done"))
    table = Table("", ("", "8", "16", ""), (cells,), (), ("row", "usage", "usage", "state"))
    found = table_data(table, frame, Texts())
    assert [column["key"] for column in found["columns"]] == ["row", "usage", "usage-2", "state"]
    assert [cell.get("number") for cell in found["rows"][0]["cells"]] == [None, 50, 60, None]
    assert found["columns"][2]["better"] == "higher"
