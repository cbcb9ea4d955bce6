"""Downloads against a server on this machine: verified, atomic, once for many processes."""

import hashlib
import io
import multiprocessing
import threading
import time
import urllib.request
from pathlib import Path

import pytest
import torch

from tests.pretrained.server import serving
from tests.pretrained.weights import random_convolutions
from vqx.errors import WeightsMissing
from vqx.pretrained import hub
from vqx.pretrained.catalogue import WeightFile
from vqx.pretrained.files import load_tensors


@pytest.fixture(autouse=True)
def _online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VQX_OFFLINE", raising=False)


def entry(url: str, body: bytes, *, file_name: str = "inception.pth", part: str = "") -> WeightFile:
    prefix = hashlib.sha256(body).hexdigest()[:8]
    return WeightFile("inception", "rfid", file_name, f"{url}/published.pth", prefix, part)


def test_a_download_is_verified_and_leaves_nothing_else(tmp_path: Path) -> None:
    with serving(b"weights" * 1000) as server:
        hub.fetch(entry(server.url, server.body), tmp_path / "new" / "inception.pth")
    assert (tmp_path / "new" / "inception.pth").read_bytes() == server.body
    visible = [p.name for p in (tmp_path / "new").iterdir() if not p.name.endswith(".lock")]
    assert visible == ["inception.pth"]


def test_torchvisions_file_is_kept_as_convolutions(tmp_path: Path) -> None:
    tensors = random_convolutions("alexnet")
    file = io.BytesIO()
    torch.save({f"features.{k}": v for k, v in tensors.items()}, file)
    path = tmp_path / "alexnet.safetensors"
    with serving(file.getvalue()) as server:
        hub.fetch(entry(server.url, server.body, file_name=path.name, part="features."), path)
    torch.testing.assert_close(load_tensors(path), tensors)
    assert [p.name for p in tmp_path.iterdir() if not p.name.endswith(".lock")] == [path.name]


@pytest.mark.parametrize("fault", ["damaged", "cut short"])
def test_a_bad_download_is_no_weights(tmp_path: Path, fault: str) -> None:
    body = b"weights" * 1000
    sent = body.replace(b"w", b"v", 1) if fault == "damaged" else body[:3000]
    with (
        serving(sent, announced=len(body)) as server,
        pytest.raises(WeightsMissing, match="wrong checksum"),
    ):
        hub.fetch(entry(server.url, body), tmp_path / "inception.pth")
    assert [p for p in tmp_path.iterdir() if not p.name.endswith(".lock")] == []


def test_an_unreachable_server_is_asked_once_a_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def refuse(*arguments: object, **keywords: object) -> None:
        asked.append(arguments)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    for name in ("a.pth", "b.pth"):
        with pytest.raises(WeightsMissing, match="Connection refused"):
            hub.fetch(entry("http://127.0.0.1:9", b""), tmp_path / name)
    assert len(asked) == 1


def test_a_silent_network_costs_seconds_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "CONNECT_SECONDS", -0.9)  # 0.1 s in all
    seen = threading.Event()

    def silent(*arguments: object, **keywords: object) -> None:
        seen.wait(60)
        raise TimeoutError

    monkeypatch.setattr(urllib.request, "urlopen", silent)
    start = time.perf_counter()
    with pytest.raises(WeightsMissing, match="no answer"):
        hub.fetch(entry("http://127.0.0.1:10", b""), tmp_path / "a.pth")
    assert time.perf_counter() - start < 30
    seen.set()


def test_offline_by_wish_asks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VQX_OFFLINE", "1")
    with serving(b"x") as server:
        with pytest.raises(WeightsMissing, match="VQX_OFFLINE is set"):
            hub.fetch(entry(server.url, b"x"), tmp_path / "a.pth")
        assert server.heads == server.gets == 0


def fetch_in_process(entry: WeightFile, path: Path) -> None:
    hub.fetch(entry, path)


@pytest.mark.slow  # starts processes
def test_many_processes_download_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    path = tmp_path / "inception.pth"
    with serving(b"weights" * 100_000) as server:
        arguments = (entry(server.url, server.body), path)
        processes = [context.Process(target=fetch_in_process, args=arguments) for _ in range(2)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert server.gets == 1
    assert path.read_bytes() == server.body


def test_threads_download_once(tmp_path: Path) -> None:
    path = tmp_path / "inception.pth"
    with serving(b"weights" * 100_000) as server:
        arguments = (entry(server.url, server.body), path)
        threads = [threading.Thread(target=hub.fetch, args=arguments) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert server.gets == 1
