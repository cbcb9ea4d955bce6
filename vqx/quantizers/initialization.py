"""Where a codebook starts.

Axes: K codes, D latent width, N = tokens of the first global batch.
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from vqx.errors import ConfigError
from vqx.quantizers.kmeans import kmeans
from vqx.quantizers.sampling import draw_rows

Init = Literal["uniform", "normal", "batch", "kmeans"]


def check_init(init: str, *, owner: str) -> None:
    """Raise ConfigError unless `init` is one of Init."""
    if init not in get_args(Init):
        raise ConfigError(f"{owner} init {init!r}: use one of {', '.join(get_args(Init))}")


def fill_codebook(codebook: Tensor, init: str) -> None:
    """Draw `codebook` (K, D) in place: "uniform" in +-1/K, else normal of deviation D^-1/2.

    The starts from data replace the latter as soon as there are data.
    """
    with torch.no_grad():
        if init == "uniform":
            nn.init.uniform_(codebook, -1 / len(codebook), 1 / len(codebook))
        else:
            nn.init.normal_(codebook, std=codebook.shape[1] ** -0.5)


@torch.no_grad()
def draw_codebook(
    init: str,
    rows: Tensor,
    codebook_size: int,
    *,
    spherical: bool,
    generator: torch.Generator | None,
) -> Tensor:
    """A codebook (K, D) from this rank's part `rows` (n, D) of the first global batch.

    "batch": random rows, distinct as far as there are enough; "kmeans": the centres of all of them,
    unit vectors where `spherical`.
    """
    if init == "batch":
        return draw_rows(rows, codebook_size, generator=generator)
    return kmeans(rows, codebook_size, spherical=spherical, generator=generator)


def needs_data(init: str) -> bool:
    """Whether this start waits for the first batch."""
    return init in ("batch", "kmeans")
