"""Whether W&B's server can be used: logins and connections."""

import socket
import sys

import pytest

from tests.recorded import without_login
from tests.wandb_server import KEY
from vqx.errors import ConfigError
from vqx.tracking.wandb_server import check_installed, server_fault, server_url

pytest.importorskip("wandb", reason="pip install 'vqx[wandb]'")


@pytest.fixture(autouse=True)
def _no_login(monkeypatch, tmp_path):
    without_login(monkeypatch, tmp_path)


@pytest.fixture
def listening(monkeypatch):
    """A port of this machine that takes connections, as wandb's server."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setattr("vqx.tracking.wandb_server.server_url", lambda: url)
        yield server


def test_no_login(listening):
    assert "run `wandb login`, or set WANDB_API_KEY" in (server_fault() or "")


def test_a_key_in_the_environment(listening, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert server_fault() is None


@pytest.mark.parametrize(("host", "found"), [("127.0.0.1", True), ("elsewhere.org", False)])
def test_a_login_in_netrc(listening, tmp_path, host, found):
    (tmp_path / ".netrc").write_text(f"machine {host}\n  login user\n  password {KEY}\n")
    assert (server_fault() is None) == found


def test_a_damaged_netrc_is_none(listening, monkeypatch, tmp_path):
    (tmp_path / "odd").write_text("machine\n machine\nnonsense")
    monkeypatch.setenv("NETRC", str(tmp_path / "odd"))
    assert "no login" in (server_fault() or "")


def test_nobody_listens(listening, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    listening.close()
    assert "cannot be reached (Connection refused)" in (server_fault() or "")


@pytest.mark.parametrize(("url", "port"), [("https://a.org", 443), ("http://a.org", 80)])
def test_the_usual_port(monkeypatch, url, port):
    asked = []
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setattr("vqx.tracking.wandb_server.server_url", lambda: url)

    def connect(address, timeout):
        asked.append(address)
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", connect)
    assert (
        server_fault() == f"{url} cannot be reached (timed out): try again where there is a network"
    )
    assert asked == [("a.org", port)]


def test_the_server_is_the_one_wandb_uses(monkeypatch):
    import wandb

    wandb.teardown()  # it reads its settings once
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    assert server_url() == "http://127.0.0.1:9"
    wandb.teardown()


def test_the_package_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ConfigError, match=r"pip install 'vqx\[wandb\]'"):
        check_installed()
