"""What quantizers with an explicit codebook share: search, decode, init, restart, estimator.

Axes: B images, h w latent positions, K codes, D latent width, N = B h w tokens.
"""

from abc import abstractmethod
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from vqx.collectives import sum_over_ranks
from vqx.errors import ConfigError
from vqx.quantizers.base import Quantized, Quantizer, to_grid, to_rows
from vqx.quantizers.checks import require_sizes
from vqx.quantizers.directions import unit_vectors
from vqx.quantizers.estimator import Estimator, rotation, straight_through
from vqx.quantizers.initialization import check_init, draw_codebook, fill_codebook, needs_data
from vqx.quantizers.nearest import nearest_codes
from vqx.quantizers.restart import Moves, Restart
from vqx.quantizers.statistics import commitment_ratio, mean_norm
from vqx.quantizers.sums import count_codes

Distance = Literal["euclidean", "cosine"]


class CodebookQuantizer(Quantizer):
    """A quantizer whose K codes are made from the rows of `codebook` (K, D).

    distance: "euclidean", or "cosine": latents and entries are unit vectors, for search, loss and
    decoder alike (Yu et al. 2021, arXiv 2110.04627, section 3.2), so that D much smaller than 64
    works best. estimator: "ste" or "rotation" (see estimator.py).
    init: "uniform" in +-1/K, "normal" of deviation D^-1/2; "batch": random latents of the first
    global batch, distinct as far as there are enough; "kmeans": their cluster centres.
    restart: True for `Restart()` with its defaults, False or None for none.
    """

    codebook: Tensor
    initialized: Tensor
    counts_codes: bool = False  # whether `move` wants a step's counts even without a restart

    def __init__(
        self,
        codebook_size: int,
        latent_channels: int,
        *,
        init: str,
        distance: Distance,
        estimator: Estimator,
        restart: Restart | bool | None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        require_sizes(codebook_size=codebook_size, latent_channels=latent_channels)
        check_init(init, owner=name)
        for what, value, known in (
            ("distance", distance, get_args(Distance)),
            ("estimator", estimator, get_args(Estimator)),
        ):
            if value not in known:
                raise ConfigError(f"{name} {what} {value!r}: use one of {', '.join(known)}")
        self.codebook_size = codebook_size
        self.latent_channels = latent_channels
        self.init, self.distance, self.estimator = init, distance, estimator
        self.restart = Restart() if restart is True else restart or None
        if self.restart is not None:
            self.restart.attach(codebook_size)
        self.register_buffer("initialized", torch.tensor(not needs_data(init)))
        # The same again, where reading it needs no host synchronisation.
        self._needs_initialization = needs_data(init)
        self.register_load_state_dict_post_hook(_read_initialized)
        # This step's counts on this rank (K,). Not a buffer: at a forward in the middle of an
        # accumulation DistributedDataParallel would overwrite it with rank 0's.
        self._counts: Tensor | None = None

    @abstractmethod
    def loss(self, z: Tensor, q: Tensor) -> Tensor:
        """Loss () of compared latents z (N, D) and their entries q (N, D), penalties included."""

    @abstractmethod
    def place(self, codes: Tensor, vectors: Tensor, *, count: Tensor, share: Tensor) -> None:
        """Make `vectors` (n, D) the entries of `codes` (n,), as if each were seen `count` times.

        `count` () is the step's mean count of a code; `share` () or (n,) is how much of an entry is
        new, from 0 to 1.
        """

    def transform(self, vectors: Tensor) -> Tensor:
        """Entries (n, D) of rows `vectors` (n, D) of the codebook, but for their length."""
        return vectors

    def entries(self) -> Tensor:
        """All K entries (K, D), what latents are compared with and the decoder sees."""
        return self._scaled(self.transform(self.codebook.float()))

    def entries_of(self, codes: Tensor) -> Tensor:
        """Entries (N, D) of `codes` (N,), differentiable."""
        return self._scaled(self.transform(F.embedding(codes, self.codebook).float()))

    def search(self, rows: Tensor) -> Tensor:
        """Code (N,) of each of the compared latents `rows` (N, D), without gradient."""
        return nearest_codes(rows, self.entries())

    @torch.no_grad()
    def codebook_norm(self) -> Tensor:
        """Mean length () of the entries."""
        return mean_norm(self.entries())

    def compared(self, z: Tensor) -> Tensor:
        """z (B, D, h, w) as it is compared with the entries."""
        return unit_vectors(z, 1) if self.distance == "cosine" else z

    def quantize(self, z: Tensor) -> Quantized:
        """The nearest entries of z (B, D, h, w) float32."""
        rows = self._scaled(to_rows(z))
        with torch.no_grad():
            codes = self.search(rows)
        return self.quantized(z, rows, codes)

    def quantized(self, z: Tensor, rows: Tensor, codes: Tensor) -> Quantized:
        """What `quantize` returns for z, whose compared latents `rows` (N, D) have `codes` (N,)."""
        if self.training:
            self._accumulate_uncompiled(rows.detach(), codes)
        grid = codes.view(z.shape[0], *z.shape[2:])
        entries = self.entries_of(codes)
        estimate = rotation if self.estimator == "rotation" else straight_through
        latents = to_grid(estimate(rows, entries), grid)
        stats = {}
        if self.statistics:
            stats["codebook_norm"] = self.codebook_norm()
            stats["commitment_ratio"] = commitment_ratio(rows, entries)
        return Quantized(latents, grid, self.loss(rows, entries), stats)

    def decode(self, codes: Tensor) -> Tensor:
        """Entries of `codes` (B, h, w) int64 as latents (B, D, h, w) float32."""
        with torch.autocast(codes.device.type, enabled=False):
            return to_grid(self.entries_of(codes.flatten()), codes)

    # What is accumulated is None at first and in some steps collected in a list: a compiled forward
    # would be compiled anew for each of these cases.
    @torch.compiler.disable
    def _accumulate_uncompiled(self, rows: Tensor, codes: Tensor) -> None:
        self.accumulate(rows, codes)

    def accumulate(self, rows: Tensor, codes: Tensor) -> None:
        """Note a micro-batch's compared latents rows (N, D) and codes (N,) for this step."""
        if self._needs_initialization:
            name = type(self).__name__
            raise ConfigError(f"{name} with init={self.init}: call initialize() before training")
        restarts = self.restart is not None and self.restart.active
        if restarts or self.counts_codes:
            counts = count_codes(codes, self.codebook_size)
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
        if not needs_data(self.init):
            return
        rows = self._scaled(to_rows(self._checked(z.detach())))
        spherical = self.distance == "cosine"
        vectors = draw_codebook(
            self.init, rows, self.codebook_size, spherical=spherical, generator=generator
        )
        tokens = sum_over_ranks(torch.tensor(len(rows), device=rows.device))
        codes = torch.arange(self.codebook_size, device=rows.device)
        all_new = torch.ones((), device=rows.device)
        self.place(codes, vectors, count=tokens / self.codebook_size, share=all_new)
        self.initialized.fill_(True)
        self._needs_initialization = False

    @torch.no_grad()
    def update_codebook(self, *, generator: torch.Generator | None = None) -> None:
        """Reduce this step's sums over ranks, move the codebook by them, restart dead codes."""
        super().update_codebook(generator=generator)
        restarts = self.restart is not None and self.restart.active
        if not (restarts or self.counts_codes):
            return
        counts = self._counts
        if counts is None:
            counts = torch.zeros(self.codebook_size, dtype=torch.int64, device=self.codebook.device)
        self._counts = None
        counts = sum_over_ranks(counts)
        self.move(counts)
        if self.restart is not None and restarts:
            moves = self.restart.step(counts, self.entries, generator=generator)
            if moves is not None:
                self._carry_out(moves, counts.sum() / self.codebook_size)

    def move(self, counts: Tensor) -> None:
        """Move the codebook by this step's global `counts` (K,); a gradient codebook needs none."""

    def reset_parameters(self) -> None:
        """Draw the codebook anew."""
        fill_codebook(self.codebook, self.init)

    def extra_repr(self) -> str:
        """Sizes and switches, for printing."""
        sizes = f"{self.codebook_size}, {self.latent_channels}, init={self.init}"
        return f"{sizes}, distance={self.distance}, estimator={self.estimator}"

    def _carry_out(self, moves: Moves, count: Tensor) -> None:
        old = self.entries()[moves.codes]
        share = moves.share if moves.share.ndim == 0 else moves.share[:, None]
        self.place(moves.codes, torch.lerp(old, moves.vectors, share), count=count, share=share)

    def _scaled(self, vectors: Tensor) -> Tensor:
        return unit_vectors(vectors, 1) if self.distance == "cosine" else vectors


def _read_initialized(quantizer: CodebookQuantizer, _: object) -> None:
    quantizer._needs_initialization = not bool(quantizer.initialized)
