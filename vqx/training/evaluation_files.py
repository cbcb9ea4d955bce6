"""What an evaluation leaves beside its numbers, so that tables can compare runs without them.

Axes: N images in the evaluation's order, Q codebooks, K codes, E of them, D latent width.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqx.quantizers import Quantizer
from vqx.quantizers.entries import codebook_entries, spread_codes
from vqx.runs.files import atomic_file
from vqx.runs.folder import RunFolder
from vqx.training.evaluation import Evaluation

# Floats of entries that are kept: 4,096 codes of width 64, in a megabyte.
_KEPT_FLOATS = 2**18


def write_evaluation_files(evaluation: Evaluation, quantizer: Quantizer, folder: RunFolder) -> None:
    """Write per_image.npz and codebook.npz, each complete or not at all.

    per_image.npz: a float32 array (N,) for each metric of single images, and `images`, the digest
    of these images in their order: runs that agree in it can be compared image by image.
    codebook.npz: `counts` (Q, K) int64, or of too many codes `bit_entropies` (Q, b); `entries`
    (Q, E, D) float32 of the `codes` (E,) int64, all of them or evenly spread ones.
    """
    values = {key: tensor.cpu().numpy() for key, tensor in evaluation.per_image.items()}
    _save(folder, folder.per_image, {**values, "images": np.array(evaluation.images_digest)})
    size = _KEPT_FLOATS // (quantizer.codebooks * quantizer.latent_channels)
    codes = spread_codes(quantizer, size)
    books = [codebook_entries(quantizer, i, codes=codes) for i in range(quantizer.codebooks)]
    use = {"counts": evaluation.counts, "bit_entropies": evaluation.bit_entropies}
    found = {key: tensor.cpu().numpy() for key, tensor in use.items() if tensor is not None}
    entries = np.stack([book.numpy() for book in books])
    _save(folder, folder.codebook, {**found, "entries": entries, "codes": codes.numpy()})


def _save(folder: RunFolder, path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    with atomic_file(path, check=folder.check) as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
