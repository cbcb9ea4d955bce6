"""Views of part of a batch."""

import torch

from vqx.data import Views


def test_rows_cut_every_field_alike():
    views = Views(torch.arange(5), torch.arange(10.0).reshape(5, 2), torch.arange(5) % 2 == 0)
    part = views.rows(slice(1, 3))
    assert part.indices.tolist() == [1, 2]
    assert part.position.tolist() == [[2, 3], [4, 5]]
    assert part.flip.tolist() == [False, True]


def test_rows_keep_what_is_not_there():
    part = Views(torch.arange(5)).rows(slice(4, 5))
    assert part.indices.tolist() == [4]
    assert part.position is None
    assert part.flip is None
