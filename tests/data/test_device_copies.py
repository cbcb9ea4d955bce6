"""Copies ahead of the computation, with a stand-in for the GPU."""

import threading
from contextlib import closing

import pytest
import torch

from tests.data.files import tensor_data
from vqx.data import train_batches
from vqx.data.device_copies import copied_ahead, on_device
from vqx.data.image_set import Views


class Recorded:
    """A copier that notes what happens to each batch, and in which thread."""

    def __init__(self):
        self.staged, self.taken = [], []
        self.enough = threading.Event()

    def stage(self, batch):
        self.staged.append((int(batch[0]), threading.current_thread()))
        if len(self.staged) >= 4:
            self.enough.set()
        return [batch.clone()]

    def take(self, staged):
        (batch,) = staged
        self.taken.append(int(batch[0]))
        return batch


def numbers(count, closed=None):
    try:
        for n in range(count):
            yield None if n == 3 else torch.tensor([n])
    finally:
        if closed is not None:
            closed.append(threading.active_count())


def test_batches_come_in_order_and_none_stays_none():
    copier = Recorded()
    got = [b if b is None else int(b) for b in copied_ahead(numbers(8), copier, ahead=2)]
    assert got == [0, 1, 2, None, 4, 5, 6, 7]
    assert [n for n, _ in copier.staged] == copier.taken == [0, 1, 2, 4, 5, 6, 7]
    assert list(copied_ahead(numbers(0), copier, ahead=2)) == []


def test_the_first_is_read_here_and_the_others_ahead_by_one_thread():
    copier = Recorded()
    with closing(copied_ahead(numbers(100), copier, ahead=3)) as batches:
        next(batches)
        assert [thread for _, thread in copier.staged] == [threading.main_thread()]
        next(batches)
        assert copier.enough.wait(30)  # of 0, 1, 2 and 4 only two were asked for
        assert copier.taken == [0, 1]
    threads = {thread for _, thread in copier.staged[1:]}
    assert len(threads) == 1
    assert threads != {threading.main_thread()}


def test_the_thread_ends_before_the_reader_is_closed():
    before, closed = threading.active_count(), []
    read = numbers(100, closed)
    with closing(read), closing(copied_ahead(read, Recorded(), ahead=2)) as batches:
        next(batches)
        next(batches)
        assert threading.active_count() == before + 1
    assert closed == [before]


def test_an_error_of_the_reader_comes_in_its_turn():
    def failing():
        yield torch.tensor([0])
        yield torch.tensor([1])
        raise ValueError("no more")

    batches = copied_ahead(failing(), Recorded(), ahead=4)
    assert [int(next(batches)), int(next(batches))] == [0, 1]
    with pytest.raises(ValueError, match="no more"):
        next(batches)


def test_on_a_cpu_there_is_no_thread():
    before, images = threading.active_count(), tensor_data().train
    views = (Views(torch.tensor([i])) for i in range(5))
    with closing(images.read(views)) as read:
        for batch in on_device(read, torch.device("cpu")):
            assert batch.shape == (1, 3, 5, 5)
            assert threading.active_count() == before


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU: copies ahead are not tested")
def test_on_a_gpu_batches_are_those_of_the_cpu_while_it_computes():
    data = tensor_data(flip=True, random_crop=True)
    on_gpu, on_cpu = (
        train_batches(data, batch_size=8, seed=0, micro_batches=2, device=device)
        for device in ("cuda", "cpu")
    )
    busy = torch.randn(2000, 2000, device="cuda")
    sums = []
    with closing(on_gpu), closing(on_cpu):
        for _ in range(50):
            for ours, theirs in zip(next(on_gpu), next(on_cpu), strict=True):
                busy = busy @ busy / 2000  # work is queued when the copy is used
                sums.append((ours.sum(), int(theirs.sum())))
    assert all(int(ours) == theirs for ours, theirs in sums)
