"""Lloyd's k-means over a batch that is spread over ranks.

Axes: n rows on this rank, K clusters, D width.
"""

import torch
from torch import Tensor

from vqx.collectives import sum_over_ranks
from vqx.quantizers.directions import unit_vectors
from vqx.quantizers.nearest import nearest_codes
from vqx.quantizers.sampling import draw_rows, with_noise
from vqx.quantizers.sums import count_codes, sum_by_code


@torch.no_grad()
def kmeans(
    rows: Tensor,
    clusters: int,
    *,
    iterations: int = 10,
    spherical: bool = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Centres (K, D) of the global batch, whose part on this rank is `rows` (n, D).

    Starts from random rows; a cluster that loses all its rows is seeded again with a random row,
    and a little noise: the row may be the centre of another, or drawn for two.
    Only sums and counts travel between ranks (Lloyd 1982). spherical: centres are unit vectors, for
    rows that are (Dhillon and Modha 2001).
    """
    centres = draw_rows(rows, clusters, generator=generator)
    for _ in range(iterations):
        codes = nearest_codes(rows, centres)
        counts = sum_over_ranks(count_codes(codes, clusters))
        sums = sum_over_ranks(sum_by_code(rows, codes, clusters))
        centres = sums / counts.clamp(min=1)[:, None]
        empty = (counts == 0).nonzero()[:, 0]
        if len(empty):
            centres[empty] = with_noise(draw_rows(rows, len(empty), generator=generator), generator)
        if spherical:
            centres = unit_vectors(centres, 1)
    return centres
