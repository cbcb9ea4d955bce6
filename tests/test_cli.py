"""Endings of a command: one line for the user's mistakes, a traceback for ours, an exit code."""

import signal

import pytest

from vqx.cli import exit_code_of, guarded
from vqx.errors import DataError, Interrupted


def ended(command, capsys):
    with pytest.raises(SystemExit) as end:
        guarded(command)
    return end.value.code, capsys.readouterr().err


def failing(error):
    def command():
        raise error

    return command


def test_a_users_mistake_is_one_line(capsys):
    assert ended(failing(DataError("no images in x")), capsys) == (1, "vqx: no images in x\n")


def test_our_own_mistake_keeps_its_traceback(capsys):
    code, text = ended(failing(ZeroDivisionError("ours")), capsys)
    assert code == 1
    assert "Traceback" in text
    assert "ZeroDivisionError: ours" in text


def test_the_traceback_of_a_users_mistake_can_be_had(capsys, monkeypatch):
    monkeypatch.setenv("VQX_TRACEBACK", "1")
    assert "Traceback" in ended(failing(DataError("no images")), capsys)[1]


def test_exit_codes(capsys):
    assert ended(lambda: None, capsys)[0] == 0
    assert ended(lambda: 3, capsys)[0] == 3
    assert exit_code_of(Interrupted("stopped", signal_number=signal.SIGTERM)) == 143
    assert exit_code_of(ValueError()) == 1
