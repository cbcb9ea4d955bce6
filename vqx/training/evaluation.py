"""The evaluation pass: every image once, on one rank, from its codes alone.

Shapes: real and fake images uint8 (B, C, H, W); codes (B, h, w) or (B, h, w, Q).
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from vqx.collectives import gather_rows
from vqx.data import Data, EvaluationBatches, evaluation_batches
from vqx.metrics import CodebookUse, Measurement, Metric, to_uint8
from vqx.metrics.content import content_hashes
from vqx.models import Tokenizer
from vqx.training.masking import PatchMask
from vqx.training.progress import evaluation_progress
from vqx.training.step import to_float
from vqx.training.world import World

# Keys and stamps of what is measured otherwise than every tokenizer is. Such a number is no plain
# one's rival, so it never shares a key with it.
SOFT = "soft_"
SOFT_STAMP = "the decoder saw the continuous mixture, not codes"
MASKED = "masked_"


@dataclass(frozen=True, slots=True)
class Variant:
    """A way to reconstruct that is measured beside the plain one, as `<prefix><metric>`.

    soft: from the quantizer's latents, whatever its codes; mask: of an input with patches dropped.
    """

    prefix: str
    soft: bool
    mask: PatchMask | None
    metrics: tuple[Metric, ...]

    @property
    def stamp(self) -> str:
        """How it was measured, before the metric's own stamp."""
        parts = [self.mask.stamp if self.mask else "", SOFT_STAMP if self.soft else ""]
        return "; ".join(filter(None, parts))

    def reconstruct(self, tokenizer: Tokenizer, images: Tensor) -> Tensor:
        """uint8 reconstruction of uint8 `images`."""
        inputs = to_float(images)
        if self.mask is not None:
            inputs = self.mask.apply(inputs, self.mask.of_content(images))
        if self.soft:
            output, _ = tokenizer(inputs)
            return to_uint8(tokenizer.images_of(output))
        return to_uint8(tokenizer.detokenize(tokenizer.tokenize(inputs)))


def variants_of(
    metrics: Sequence[Metric], *, discrete: bool, mask: PatchMask | None
) -> list[Variant]:
    """All but the plain one, each with image metrics of its own."""
    found = []
    for masked in (None, mask) if mask is not None else (None,):
        for soft in (False,) if discrete else (False, True):
            if masked is not None or soft:
                prefix = (MASKED if masked else "") + (SOFT if soft else "")
                found.append(Variant(prefix, soft, masked, tuple(_copies(metrics))))
    return found


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The measurements over a whole evaluation set, equal on every rank.

    `counts` (Q, K) int64: how often each code was used; None where there are too many codes to
    count, then `bit_entropies` (Q, b) has the entropy of each binary digit of a code, in bits.
    `tokens`: latent positions of all images. `per_image`: metric values (N,) of each image that was
    measured, in the set's order; `images_digest` differs wherever these images or their order do.
    """

    measurements: dict[str, Measurement]
    counts: Tensor | None
    bit_entropies: Tensor | None
    tokens: int
    images: int
    left_out: tuple[str, ...]  # names of unreadable images
    seconds: float
    per_image: dict[str, Tensor] = field(default_factory=dict)
    images_digest: str = ""

    @property
    def values(self) -> dict[str, float]:
        """Metric values by key."""
        return {key: measurement.value for key, measurement in self.measurements.items()}


def reconstruct(tokenizer: Tokenizer, images: Tensor) -> tuple[Tensor, Tensor]:
    """uint8 reconstruction of uint8 `images` from hard codes, and those codes."""
    codes = tokenizer.tokenize(to_float(images))
    return to_uint8(tokenizer.detokenize(codes)), codes


@torch.no_grad()
def evaluate(
    tokenizer: Tokenizer,
    data: Data,
    metrics: Sequence[Metric],
    *,
    world: World,
    batch_size: int,
    mask: PatchMask | None = None,
    check_stop: Callable[[], None] = lambda: None,
    show_progress: bool = False,
) -> Evaluation:
    """Measure `tokenizer` in eval mode and float32 on the evaluation images of `data`.

    `metrics` are on the device, CodebookUse among them. All are of decode(codes); for a quantizer
    that is not discrete the image metrics are measured on its own latents too, as `soft_<key>`, and
    with a `mask` on inputs with patches dropped, as `masked_<key>`.
    `check_stop` is called before each batch, equally often on every rank, and may raise.
    """
    start, was_training = time.perf_counter(), tokenizer.training
    tokenizer.eval()
    variants = variants_of(metrics, discrete=tokenizer.quantizer.discrete, mask=mask)
    _begin((*metrics, *(m for variant in variants for m in variant.metrics)), data)
    batches = evaluation_batches(
        data, batch_size=batch_size, rank=world.rank, world_size=world.size, device=world.device
    )
    hashes = _measure(tokenizer, batches, metrics, variants, check_stop, shown=show_progress)
    tokenizer.train(was_training)
    left_out = tuple(world.union(batches.left_out))
    measurements = _all_merged(metrics, variants)  # before the counts, which are then of all ranks
    use = next(metric for metric in metrics if isinstance(metric, CodebookUse))
    return Evaluation(
        measurements,
        use.counts,
        use.bit_entropies,
        use.tokens,
        images=len(data.evaluation) - len(left_out),
        left_out=left_out,
        seconds=time.perf_counter() - start,
        per_image={key: values for metric in metrics for key, values in metric.per_image.items()},
        images_digest=_digest(hashes),
    )


def _begin(metrics: Iterable[Metric], data: Data) -> None:
    for metric in metrics:
        metric.reset()
        metric.start(data.evaluation)


def _digest(hashes: Tensor) -> str:
    """Hex digest of this rank's `hashes` (n,) int64, an image each, followed by the next ranks'."""
    return hashlib.sha256(gather_rows(hashes).cpu().numpy().tobytes()).hexdigest()[:16]


def _measure(
    tokenizer: Tokenizer,
    batches: EvaluationBatches,
    metrics: Sequence[Metric],
    variants: Sequence[Variant],
    check_stop: Callable[[], None],
    *,
    shown: bool,
) -> Tensor:
    """Update `metrics` with the images rebuilt from codes, those of `variants` with theirs.

    A rank may have a batch fewer than there are rounds. Returns a hash (n,) of each image seen.
    """
    hashes = [torch.zeros(0, dtype=torch.int64, device=batches.device)]
    progress = evaluation_progress(
        len(batches.data.evaluation),
        rounds=batches.rounds,
        a_round=batches.batch_size * batches.world_size,
        shown=shown,
    )
    with closing(iter(batches)) as stream, closing(progress):
        for _ in progress:
            check_stop()
            if (real := next(stream, None)) is not None:
                fake, codes = reconstruct(tokenizer, real)
                hashes.append(content_hashes(real))
                for metric in metrics:
                    metric.update(real, fake, codes)
                for variant in variants:
                    fake = variant.reconstruct(tokenizer, real)
                    for metric in variant.metrics:
                        metric.update(real, fake, codes)
    return torch.cat(hashes)


def _all_merged(metrics: Sequence[Metric], variants: Sequence[Variant]) -> dict[str, Measurement]:
    """Those of the plain reconstructions and of each variant."""
    measurements = _merged(metrics)
    for variant in variants:
        measurements |= _renamed(_merged(variant.metrics), variant)
    return measurements


def _merged(metrics: Sequence[Metric]) -> dict[str, Measurement]:
    """Measurements over all ranks."""
    measurements: dict[str, Measurement] = {}
    for metric in metrics:
        metric.merge()
        measurements.update(metric.compute())
    return measurements


def _copies(metrics: Sequence[Metric]) -> list[Metric]:
    """The image metrics once more, with sums of their own and the same networks."""
    return [metric.sibling() for metric in metrics if not isinstance(metric, CodebookUse)]


def _renamed(measurements: dict[str, Measurement], variant: Variant) -> dict[str, Measurement]:
    return {
        f"{variant.prefix}{key}": replace(
            measurement, stamp=f"{variant.stamp}; {measurement.stamp}"
        )
        for key, measurement in measurements.items()
    }
