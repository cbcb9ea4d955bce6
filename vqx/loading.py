"""`vqx.load`: a trained tokenizer, ready to use, from a run's folder or an exported one.

Axes: B images, C channels, H W pixels, h w latent positions, Q codebooks; f the downsampling.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from vqx.errors import ConfigError
from vqx.metrics.pixels import to_uint8, to_unit_range
from vqx.models import Tokenizer
from vqx.sources import Source, build, read_source

# Sides that some probe divides, whatever the downsampling: powers of two, and multiples of 3, 5, 7.
_PROBES = (64, 96, 80, 112, 128, 192, 160, 224, 256, 512)


def load(
    path: str | Path, device: str | torch.device = "cpu", *, allow: Sequence[str] = ()
) -> "ImageTokenizer":
    """The tokenizer in `path`, a run's folder or one made by `vqx.export`, in eval mode.

    Of a run it is what its evaluation measures: the newest intact checkpoint, the averaged weights
    where there is an average. Nothing in `path` is executed: it may build parts of vqx only, and of
    the modules named in `allow`, for a model or quantizer of your own. Raises VqxError where there
    is no tokenizer, ConfigError for one that names other modules.
    """
    source = read_source(Path(path), allow=allow)
    return ImageTokenizer(build(source), source, device)


class ImageTokenizer:
    """Images of any size to codes and back.

    `tokenizer`: the model in eval mode; `source`: where it is from; `channels` C; `downsampling` f;
    `codebook_size` K and `codebooks` Q. Weights are frozen.
    """

    def __init__(
        self, tokenizer: Tokenizer, source: Source, device: str | torch.device = "cpu"
    ) -> None:
        layout = torch.channels_last if source.channels_last else torch.contiguous_format
        self.tokenizer = tokenizer.to(device).to(memory_format=layout)
        self.source = source
        self.channels = source.image_channels
        self.codebook_size = tokenizer.quantizer.codebook_size
        self.codebooks = tokenizer.quantizer.codebooks
        self.downsampling = self._measured_downsampling()

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.tokenizer.parameters()).device

    @property
    def bits_per_position(self) -> float:
        """Bits that the codes of one latent position hold: Q log2 K."""
        return self.codebooks * math.log2(self.codebook_size)

    @torch.no_grad()
    def tokenize(self, images: Tensor) -> Tensor:
        """Codes (B, h, w), or (B, h, w, Q), int64 of `images` (B, C, H, W).

        uint8, or float in [-1, 1]; any size: h = ceil(H / f), w = ceil(W / f), where what lacks at
        the bottom and on the right is filled by repeating the last row and column. In float32,
        whatever autocast says, as in a run's evaluation. Raises ValueError for other images.
        """
        self._check_images(images)
        with self._exactly():
            floats = images.to(self.device)
            floats = to_unit_range(floats) if floats.dtype == torch.uint8 else floats.float()
            height, width = (-side % self.downsampling for side in images.shape[-2:])
            if height or width:
                floats = F.pad(floats, (0, width, 0, height), mode="replicate")
            return self.tokenizer.tokenize(floats)

    @torch.no_grad()
    def detokenize(self, codes: Tensor, *, size: tuple[int, int] | None = None) -> Tensor:
        """uint8 images (B, C, H, W) of `codes` (B, h, w) or (B, h, w, Q), integers in [0, K).

        size: (H, W) of the images that were tokenized, if f does not divide them; without it images
        are (h f, w f). Of several codebooks that refine each other the first few will do. Raises
        ValueError for other codes or a size that does not belong to them.
        """
        codes = self._checked_codes(codes)
        whole = tuple(side * self.downsampling for side in codes.shape[1:3])
        height, width = whole if size is None else size
        for side, full in zip((height, width), whole, strict=True):
            if not full - self.downsampling < side <= full:
                raise ValueError(
                    f"size={size} does not belong to codes {tuple(codes.shape)}: each of f = "
                    f"{self.downsampling} pixels, they cover {whole[0]}x{whole[1]}"
                )
        with self._exactly():
            images = to_uint8(self.tokenizer.detokenize(codes.to(self.device)))
        return images[..., :height, :width]

    def __repr__(self) -> str:
        """Name, sizes and device."""
        several = f"{self.codebooks} x " if self.codebooks > 1 else ""
        return (
            f"ImageTokenizer({self.source.name}, {several}{self.codebook_size} codes, "
            f"f{self.downsampling}, {self.channels} channels, {self.device})"
        )

    @contextmanager
    def _exactly(self) -> Iterator[None]:
        """Float32 that is float32, as in an evaluation: without autocast, without TF32."""
        kind = self.device.type
        if kind != "cuda":
            with torch.autocast(kind, enabled=False):
                yield
            return
        before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
        try:
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
            with torch.autocast(kind, enabled=False):
                yield
        finally:
            torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before

    def _check_images(self, images: Tensor) -> None:
        shape = tuple(images.shape)
        if images.ndim != 4 or shape[1] != self.channels or 0 in shape:
            raise ValueError(f"images must be (B, {self.channels}, H, W), got {shape}")
        if images.dtype == torch.uint8:
            return
        if not images.is_floating_point():
            raise ValueError(f"images must be uint8, or float in [-1, 1], got {images.dtype}")
        if (largest := float(images.abs().max())) > 1.001:
            raise ValueError(f"float images must lie in [-1, 1], got values up to {largest:g}")

    def _checked_codes(self, codes: Tensor) -> Tensor:
        axes = (3, 4) if self.codebooks > 1 else (3,)
        if codes.ndim not in axes or codes.dtype.is_floating_point or 0 in codes.shape:
            wanted = "(B, h, w, Q)" if self.codebooks > 1 else "(B, h, w)"
            raise ValueError(
                f"codes must be {wanted} integers, got {tuple(codes.shape)} {codes.dtype}"
            )
        codes = codes.long()
        lowest, highest = int(codes.min()), int(codes.max())
        if lowest < (0 if self.codebooks == 1 else -1) or highest >= self.codebook_size:
            raise ValueError(
                f"codes must lie in [0, {self.codebook_size}), got {lowest} to {highest}"
            )
        return codes

    @torch.no_grad()
    def _measured_downsampling(self) -> int:
        for side in _PROBES:
            blank = torch.zeros(1, self.channels, side, side, device=self.device)
            try:
                codes = self.tokenizer.tokenize(blank)
                back = self.tokenizer.detokenize(codes)
            except (RuntimeError, ValueError):  # a side that the downsampling does not divide
                continue
            if back.shape == blank.shape and side % codes.shape[1] == 0:
                return side // codes.shape[1]
        raise ConfigError(f"{self.source.name}: no square image of {_PROBES} pixels comes back")
