"""What quantizers with an explicit codebook share: search, decode, data-dependent init, restart.

Axes: B images, h w latent positions, K codes, D latent width, N = B h w tokens.
"""

from abc import abstractmethod
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from vqx.collectives import sum_over_ranks
from vqx.errors import ConfigError
from vqx.quantizers.base import Quantized, Quantizer, to_grid, to_rows
from vqx.quantizers.estimator import straight_through
from vqx.quantizers.kmeans import kmeans
from vqx.quantizers.nearest import nearest_codes
from vqx.quantizers.restart import Restart
from vqx.quantizers.sampling import draw_rows
from vqx.quantizers.statistics import mean_norm
from vqx.quantizers.sums import count_codes

DataInit = Literal["batch", "kmeans"]


class CodebookQuantizer(Quantizer):
    """A quantizer whose K codes are the rows of `codebook` (K, D), a parameter or a buffer.

    data_init: "batch" takes random latents of the first global batch, distinct as far as there are
    enough, "kmeans" the centres of all of them; None leaves the codebook as it was made.
    restart: True for `Restart()` with its defaults, False or None for none.
    """

    codebook: Tensor
    initialized: Tensor

    def __init__(
        self,
        codebook_size: int,
        latent_channels: int,
        *,
        commitment: float,
        data_init: DataInit | None,
        restart: Restart | bool | None,
    ) -> None:
        super().__init__()
        for name, size in {
            "codebook_size": codebook_size,
            "latent_channels": latent_channels,
        }.items():
            if type(size) is not int or size < 1:
                raise ConfigError(f"{name} {size}: use a whole number of at least 1")
        if commitment < 0:
            raise ConfigError(f"commitment {commitment}: use 0 or more")
        self.codebook_size = codebook_size
        self.latent_channels = latent_channels
        self.commitment = commitment
        self.data_init = data_init
        self.restart = Restart() if restart is True else restart or None
        if self.restart is not None:
            self.restart.attach(codebook_size)
        self.register_buffer("initialized", torch.tensor(data_init is None))
        # The same again, where reading it needs no host synchronisation.
        self._needs_initialization = data_init is not None
        self.register_load_state_dict_post_hook(_read_initialized)
        # This step's counts on this rank (K,). Not a buffer: at a forward in the middle of an
        # accumulation DistributedDataParallel would overwrite it with rank 0's.
        self._counts: Tensor | None = None

    @abstractmethod
    def loss(self, z: Tensor, q: Tensor) -> Tensor:
        """Loss () of latents z (N, D) and their codebook entries q (N, D)."""

    @abstractmethod
    def place(self, codes: Tensor, vectors: Tensor, *, count: Tensor) -> None:
        """Set the entries of `codes` (n,) to `vectors` (n, D), as if each were seen `count` times.

        `count` () is the step's mean count of a code.
        """

    def quantize(self, z: Tensor) -> Quantized:
        """Nearest entries of z (B, D, h, w) float32."""
        rows = to_rows(z)
        codes = nearest_codes(rows.detach(), self.codebook)
        entries = F.embedding(codes, self.codebook)
        counts = count_codes(codes, self.codebook_size)
        if self.training:
            self.accumulate(rows.detach(), codes, counts)
        grid = codes.view(z.shape[0], *z.shape[2:])
        stats = {"codebook_norm": mean_norm(self.codebook)}
        latents = to_grid(straight_through(rows, entries), grid)
        return Quantized(latents, grid, self.loss(rows, entries), stats)

    def decode(self, codes: Tensor) -> Tensor:
        """Codebook entries of `codes` (B, h, w) int64 as latents (B, D, h, w) float32."""
        return to_grid(F.embedding(codes.flatten(), self.codebook), codes)

    def accumulate(self, rows: Tensor, codes: Tensor, counts: Tensor) -> None:
        """Add a micro-batch's rows (N, D), codes (N,) and counts (K,) to this step's sums."""
        if self._needs_initialization:
            name = type(self).__name__
            raise ConfigError(
                f"{name} with init={self.data_init}: call initialize() before training"
            )
        self._counts = counts if self._counts is None else self._counts + counts
        if self.restart is not None and self.restart.collecting:
            self.restart.observe(rows)

    @property
    def needs_initialization(self) -> bool:
        """Whether `initialize` must be called before the first training step."""
        return self._needs_initialization

    @torch.no_grad()
    def initialize(self, z: Tensor, *, generator: torch.Generator | None = None) -> None:
        """Set the codebook from this rank's part z (B, D, h, w) of the first global batch."""
        if self.data_init is None:
            return
        rows = to_rows(z.detach().float())
        draw = kmeans if self.data_init == "kmeans" else draw_rows
        vectors = draw(rows, self.codebook_size, generator=generator)
        total = sum_over_ranks(torch.tensor(len(rows), device=rows.device))
        codes = torch.arange(self.codebook_size, device=rows.device)
        self.place(codes, vectors, count=total / self.codebook_size)
        self.initialized.fill_(True)
        self._needs_initialization = False

    @torch.no_grad()
    def update_codebook(self, *, generator: torch.Generator | None = None) -> None:
        """Reduce this step's sums over ranks, move the codebook by them, restart dead codes."""
        counts = self._counts
        if counts is None:
            counts = torch.zeros(self.codebook_size, dtype=torch.int64, device=self.codebook.device)
        self._counts = None
        counts = sum_over_ranks(counts)
        self.move(counts)
        if self.restart is not None:
            dead = self.restart.step(counts, generator=generator)
            if dead is not None:
                self.place(*dead, count=counts.sum() / self.codebook_size)

    def move(self, counts: Tensor) -> None:
        """Move the codebook by this step's global `counts` (K,); a gradient codebook needs none."""


def _read_initialized(quantizer: CodebookQuantizer, _: object) -> None:
    quantizer._needs_initialization = not bool(quantizer.initialized)
