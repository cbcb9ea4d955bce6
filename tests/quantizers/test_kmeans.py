"""Lloyd's algorithm over ranks."""

import torch

from vqx.collectives import rank
from vqx.quantizers.kmeans import kmeans
from vqx.quantizers.nearest import nearest_codes


def _blobs(clusters=6, each=30):
    g = torch.Generator().manual_seed(1)
    centres = 10 * torch.randn(clusters, 4, generator=g)
    rows = centres.repeat_interleave(each, 0) + torch.randn(clusters * each, 4, generator=g)
    return rows[torch.randperm(len(rows), generator=g)]


def _error(rows, centres):
    return (rows - centres[nearest_codes(rows, centres)]).square().mean().item()


def _kmeans_split(sizes, clusters):
    rows = _blobs().split(sizes)[rank()]
    return kmeans(rows, clusters, generator=torch.Generator().manual_seed(3))


def test_centres_are_the_means_of_their_rows_once_settled():
    rows = _blobs()
    centres = kmeans(rows, 6, iterations=50, generator=torch.Generator().manual_seed(0))
    codes = nearest_codes(rows, centres)
    for i in codes.unique():
        torch.testing.assert_close(centres[i], rows[codes == i].mean(0))


def test_error_falls_with_iterations():
    rows = _blobs()
    runs = [
        _error(rows, kmeans(rows, 20, iterations=i, generator=torch.Generator().manual_seed(0)))
        for i in (0, 1, 3, 10)
    ]
    assert runs[0] > runs[1] > runs[2] >= runs[3]


def test_an_empty_cluster_is_seeded_again():
    rows = torch.cat([torch.zeros(50, 2), torch.randn(50, 2)])  # duplicates leave clusters empty
    centres = kmeans(rows, 30, generator=torch.Generator().manual_seed(0))
    assert centres.isfinite().all()
    assert torch.cdist(centres, rows).min(1).values.max() < 1
    assert len(nearest_codes(rows, centres).unique()) > 20


def test_one_cluster_is_the_mean_and_one_row_is_itself():
    torch.testing.assert_close(kmeans(_blobs(), 1), _blobs().mean(0, keepdim=True))
    torch.testing.assert_close(kmeans(torch.ones(1, 3), 1), torch.ones(1, 3))


def test_two_ranks_find_the_centres_of_one(two_ranks):
    expected = kmeans(_blobs(), 25, generator=torch.Generator().manual_seed(3))
    for sizes in ((90, 90), (31, 149)):
        for centres in two_ranks(_kmeans_split, sizes, 25):
            torch.testing.assert_close(centres, expected, rtol=1e-5, atol=1e-5)


def test_spherical_centres_are_unit_vectors_and_others_are_means():
    rows = torch.nn.functional.normalize(torch.randn(200, 3), dim=1)
    spherical = kmeans(rows, 7, spherical=True, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(spherical.norm(dim=1), torch.ones(7))
    assert kmeans(rows, 7).norm(dim=1).max() < 1
