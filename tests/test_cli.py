"""Endings of a command: one line for the user's mistakes, a traceback for ours, an exit code."""

import signal

import pytest

from tests.commands import run
from vqx.cli import exit_code_of, guarded, options_first
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


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("-m a=b --config-dir . c=d", "-m --config-dir . a=b c=d"),
        ("a=b --config-dir=own -m", "--config-dir=own -m a=b"),
        ("a=b --cfg job", "a=b --cfg job"),
        ("a=b --info", "a=b --info"),
        ("a=-m -cd own", "-cd own a=-m"),
        ("a=b --config-dir", "a=b --config-dir"),
        ("", ""),
    ],
)
def test_options_may_stand_anywhere(typed, read):
    assert options_first(typed.split()) == read.split()


def test_a_sweep_has_no_single_configuration_to_show(tmp_path):
    refused = run("vqx.train", "-m", "seed=0,1", "--cfg", "job", cwd=tmp_path)
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert "leave -m out" in line
