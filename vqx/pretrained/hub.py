"""Weights from where their authors publish them, with failures that come fast and are said once."""

import hashlib
import os
import tempfile
import threading
import urllib.error
import urllib.request
from functools import cache
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from vqx.errors import WeightsMissing
from vqx.pretrained.catalogue import WeightFile
from vqx.pretrained.files import (
    load_tensors,
    locked,
    part_of,
    replacing,
    save_tensors,
    sha256_of,
)

CONNECT_SECONDS = 5.0
CHUNK_BYTES = 1 << 20


def fetch(entry: WeightFile, path: Path) -> None:
    """Download `entry` to `path` in the cache's format, once for all processes of this machine.

    Raises WeightsMissing with the reason alone ("name not known", "wrong checksum", ...).
    """
    # Asked outside the lock: offline, the ranks of a node wait side by side, not in a row.
    parts = urlsplit(entry.url)
    if (reason := unreachable(f"{parts.scheme}://{parts.netloc}/")) is not None:
        raise WeightsMissing(reason)
    try:
        with locked(path):
            if not path.is_file():
                _install(entry, path)
    except (OSError, HTTPException) as error:
        raise WeightsMissing(_reason(error)) from error


def unreachable(server: str) -> str | None:
    """Why `server` (a URL) does not answer, or None when it does; asked once a process."""
    if os.environ.get("VQX_OFFLINE", "0") not in ("", "0"):
        return "VQX_OFFLINE is set"
    return probe(server)


@cache
def probe(server: str) -> str | None:
    """What `server` answered when it was first asked: None, or why it did not."""
    answer: list[str | None] = []
    # In a thread of its own because looking up a name has no time limit in the standard library.
    thread = threading.Thread(target=lambda: answer.append(_ask(server)), daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS + 1)
    return answer[0] if answer else f"no answer in {CONNECT_SECONDS:.0f} s"


def _ask(server: str) -> str | None:
    try:
        with urllib.request.urlopen(
            urllib.request.Request(server, method="HEAD"), timeout=CONNECT_SECONDS
        ):
            return None
    except urllib.error.HTTPError:
        return None  # "not found", "forbidden": it answers
    except (OSError, HTTPException) as error:
        return _reason(error)


def _reason(error: BaseException) -> str:
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    return str(inner) or type(inner).__name__


def convert(entry: WeightFile, published: Path, path: Path) -> None:
    """Write the tensors of a `published` file to `path` as the cache keeps them.

    Raises WeightsMissing when it is not the file that its authors publish.
    """
    digest = sha256_of(published)
    if not digest.startswith(entry.sha256_prefix):
        raise WeightsMissing(f"{published} has a wrong checksum: delete it and fetch it again")
    tensors = load_tensors(published)
    if entry.part:
        save_tensors(part_of(tensors, entry.part), path)
    else:
        save_tensors(tensors, path, published=digest)


def _install(entry: WeightFile, path: Path) -> None:
    if path.suffix != ".safetensors":
        with replacing(path) as temporary:
            _download(entry, temporary)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        published = Path(folder) / entry.published_name
        _download(entry, published)
        convert(entry, published, path)


def _download(entry: WeightFile, path: Path) -> None:
    from tqdm import tqdm

    with (
        urllib.request.urlopen(entry.url, timeout=4 * CONNECT_SECONDS) as response,
        path.open("wb") as file,
        tqdm(
            total=int(response.headers.get("Content-Length", 0)) or None,
            desc=entry.network,
            unit="B",
            unit_scale=True,
        ) as bar,
    ):
        sha256 = hashlib.sha256()
        while chunk := response.read(CHUNK_BYTES):
            file.write(chunk)
            sha256.update(chunk)
            bar.update(len(chunk))
    if not sha256.hexdigest().startswith(entry.sha256_prefix):
        raise WeightsMissing(f"{entry.url} came with a wrong checksum: damaged on the way")
