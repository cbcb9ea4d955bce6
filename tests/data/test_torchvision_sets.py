"""CIFAR and the MNIST family from files in their own layouts, and how they get there."""

import threading
import urllib.error
import urllib.request
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.data.files import cifar_rows, idx_images, install_cifar, write_idx
from vqx.data import evaluation_batches, torchvision_images, train_batches
from vqx.data.file_lock import locked
from vqx.data.torchvision_sets import _Source
from vqx.errors import ConfigError, DataError

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(request, *args, **kwargs):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


@pytest.fixture
def mnist(tmp_path):
    write_idx(tmp_path / "MNIST/raw")
    return partial(torchvision_images, dataset="MNIST", name="mnist", cache_dir=tmp_path)


def test_mnist_in_its_own_shape(mnist):
    data = mnist()
    assert (data.channels, data.image_size, data.flip, data.random_crop) == (1, 28, False, False)
    assert torch.equal(data.train.images, idx_images(12, seed=1))
    assert torch.equal(data.evaluation.images, idx_images(6, seed=2))
    assert data.evaluation.split == "test"
    assert data.evaluation.description == "mnist test, 28x28, no resize"


def test_larger_sizes_pad_with_zeros_on_all_sides(mnist):
    data = mnist(image_size=33, channels=3)
    (batch,) = evaluation_batches(data, batch_size=10)
    expected = np.zeros((6, 3, 33, 33), np.uint8)
    expected[:, :, 2:30, 2:30] = idx_images(6, seed=2).numpy()
    assert np.array_equal(batch.numpy(), expected)
    assert data.channels == 3
    assert data.evaluation.description == "mnist test, 28x28, zero-padded to 33x33, grey repeated"
    (step,) = next(train_batches(data, batch_size=5, seed=0))
    assert step.shape == (5, 3, 33, 33)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 20}, "image_size=20 is below the 28 pixels of 'mnist'"),
        ({"channels": 2}, "channels=2 must be 3 or null for 'mnist', which has 1"),
        ({"random_crop": True}, "random_crop=true has no effect on 'mnist'"),
        ({"dataset": "ImageNet"}, "dataset=ImageNet is no MNIST or CIFAR class"),
        ({"dataset": "Minst"}, "dataset=Minst is no MNIST or CIFAR class"),
    ],
)
def test_wrong_options_are_refused(mnist, options, message):
    with pytest.raises(ConfigError, match=message):
        mnist(**options)


@pytest.fixture(params=["CIFAR10", "CIFAR100"])
def cifar(request, tmp_path, monkeypatch):
    install_cifar(tmp_path, request.param, monkeypatch)
    return partial(torchvision_images, dataset=request.param, name="cifar", cache_dir=tmp_path)


def test_cifar_rows_become_colour_planes(cifar):
    data = cifar()
    files = len(data.train) // 4
    assert files == {"CIFAR10": 5, "CIFAR100": 1}[cifar.keywords["dataset"]]
    expected = np.concatenate([cifar_rows(number) for number in range(files)])
    assert np.array_equal(data.train.images.numpy(), expected.reshape(-1, 3, 32, 32))
    held_out = cifar_rows(files).reshape(-1, 3, 32, 32)
    assert np.array_equal(data.evaluation.images.numpy(), held_out)
    assert data.channels == 3


def test_cifar_is_unpacked_from_its_archive(cifar, tmp_path, monkeypatch):
    import tarfile

    source = _Source(cifar.keywords["dataset"], "cifar", tmp_path, None)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with tarfile.open(elsewhere / source.archives[0], "w:gz") as archive:
        archive.add(tmp_path / source.folder, source.folder.name)
    whole = cifar()
    cached = tmp_path / "cached"
    unpacked = cifar(cache_dir=cached, local_sources=[str(elsewhere)])
    assert torch.equal(unpacked.train.images, whole.train.images)
    assert not list(cached.glob(".incoming-*"))


@pytest.mark.parametrize("place", ["sources", "root/FashionMNIST/raw", "root"])
def test_packed_files_are_unpacked_wherever_they_lie(tmp_path, place):
    write_idx(tmp_path / place, packed=True)
    data = torchvision_images(
        dataset="FashionMNIST",
        name="fashion_mnist",
        cache_dir=tmp_path / "root",
        image_size=32,
        local_sources=[str(tmp_path / "sources")],
    )
    assert torch.equal(data.train.images[:, :, 2:30, 2:30], idx_images(12, seed=1))
    assert (tmp_path / "root/FashionMNIST/raw/t10k-labels-idx1-ubyte").is_file()


def test_without_network_the_remedy_is_named(tmp_path):
    with pytest.raises(DataError) as caught:
        torchvision_images(
            dataset="FashionMNIST",
            name="fashion_mnist",
            cache_dir=tmp_path / "cache",
            local_sources=["/nowhere"],
            debian_package="dataset-fashion-mnist",
        )
    message = str(caught.value)
    assert message.startswith(f"data set 'fashion_mnist' is not in {tmp_path / 'cache'} (download ")
    assert "no network" in message
    assert "copy train-images-idx3-ubyte.gz, " in message
    assert message.endswith("or install the Debian package dataset-fashion-mnist")
    assert "\n" not in message


def test_without_download_nothing_is_tried(tmp_path):
    with pytest.raises(DataError, match=r"\(data.download is false\): copy cifar-10-python.tar.gz"):
        torchvision_images(dataset="CIFAR10", name="cifar10", cache_dir=tmp_path, download=False)


def test_downloads_land_whole_in_the_root(tmp_path, monkeypatch):
    import hashlib

    from torchvision.datasets import MNIST

    monkeypatch.undo()  # the network is allowed: a server on this machine
    site = tmp_path / "site"
    write_idx(site, packed=True)
    handler = partial(SimpleHTTPRequestHandler, directory=str(site))
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *args: None)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sums = [
        (name, hashlib.md5((site / name).read_bytes()).hexdigest()) for name, _ in MNIST.resources
    ]
    monkeypatch.setattr(MNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
    monkeypatch.setattr(MNIST, "resources", sums)
    try:
        data = torchvision_images(dataset="MNIST", name="mnist", cache_dir=tmp_path / "root")
    finally:
        server.shutdown()
        server.server_close()
    assert torch.equal(data.train.images, idx_images(12, seed=1))
    kept = sorted(path.name for path in (tmp_path / "root").iterdir())
    assert kept == [".mnist.lock", "MNIST"]


@pytest.mark.parametrize("content", [b"", b"\0\0\x08\x03\0\0"])
def test_damaged_files_are_named(mnist, tmp_path, content):
    (tmp_path / "MNIST/raw/t10k-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(DataError, match=r"'mnist' in .*MNIST/raw is damaged .*delete that folder"):
        mnist()


def test_a_root_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"'mnist' cannot be put into .*set data.cache_dir"):
        torchvision_images(dataset="MNIST", name="mnist", cache_dir=tmp_path / "file/cache")


def test_a_second_process_waits_and_takes_what_the_first_put(tmp_path, monkeypatch):
    source = _Source("MNIST", "mnist", tmp_path, None)
    monkeypatch.setattr(source, "_download", lambda *args, **kwargs: pytest.fail("downloaded"))
    second = threading.Thread(target=source.fetch, args=([],), kwargs={"download": True})
    with locked(tmp_path / ".mnist.lock"):
        second.start()
        second.join(0.3)
        assert second.is_alive()
        write_idx(tmp_path / "MNIST/raw")
    second.join(10)
    assert not second.is_alive()
    assert source.complete()


def fetch_on_rank(root):
    import torch.distributed as dist

    dist.barrier()
    data = torchvision_images(
        dataset="MNIST", name="mnist", cache_dir=Path(root) / "cache", local_sources=[root]
    )
    return data.train.images


@pytest.mark.slow
def test_ranks_may_ask_at_once(tmp_path, two_ranks):
    write_idx(tmp_path, packed=True)
    for images in two_ranks(fetch_on_rank, str(tmp_path)):
        assert torch.equal(images, idx_images(12, seed=1))


@pytest.mark.slow
@pytest.mark.skipif(
    not DEBIAN.is_dir(), reason="the Debian package dataset-fashion-mnist is not installed"
)
def test_the_real_fashion_mnist(tmp_path):
    data = torchvision_images(
        dataset="FashionMNIST",
        name="fashion_mnist",
        cache_dir=tmp_path,
        image_size=32,
        local_sources=[str(DEBIAN)],
    )
    assert data.train.images.shape == (60_000, 1, 32, 32)
    assert data.evaluation.images.shape == (10_000, 1, 32, 32)
    native = data.train.images[:, :, 2:30, 2:30].double() / 255
    # The published mean and standard deviation of the training images.
    assert native.mean().item() == pytest.approx(0.2860, abs=1e-4)
    assert native.std().item() == pytest.approx(0.3530, abs=1e-4)
