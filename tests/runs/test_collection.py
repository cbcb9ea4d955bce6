"""Garbage collection is as it was after it was paused."""

import gc

import pytest

from vqx.runs.collection import collection_paused


def _fail() -> None:
    with collection_paused():
        with collection_paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
        raise KeyError


def test_it_is_off_in_the_block_alone() -> None:
    with pytest.raises(KeyError):
        _fail()
    assert gc.isenabled()


def test_who_has_none_gets_none() -> None:
    gc.disable()
    try:
        with collection_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
