"""What a benchmark says while it measures."""

from vqx.benchmarks.progress import show_progress


def test_a_log_gets_a_line_and_none_at_the_end(capsys):
    show_progress("[1/2] conv, l2")
    show_progress("")
    assert capsys.readouterr().err == "[1/2] conv, l2\n"


def test_a_terminal_gets_one_line_that_is_overwritten(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "11")
    show_progress("a text longer than that")
    show_progress("")
    assert capsys.readouterr().err == f"\ra text lon\r\r{'':10}\r"
