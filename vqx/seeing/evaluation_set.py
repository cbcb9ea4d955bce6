"""How the evaluation set of a run uses the codebook, for the plot of its entries."""

from contextlib import closing
from pathlib import Path
from typing import Any

import torch

from vqx.loading import ImageTokenizer
from vqx.metrics import CodebookUse
from vqx.seeing.embeddings import plot_embeddings


def plot_evaluation_set(
    tokenizer: ImageTokenizer, config: dict[str, Any], place: Path
) -> list[str]:
    """Write `place`/embeddings.png, coloured by use on the evaluation images of `config`'s data.

    Returns what a user should know of what was left out, a line each.
    """
    from vqx.data import evaluation_batches
    from vqx.training.experiment import construct

    data = construct(config["data"], what="data")
    quantizer = tokenizer.tokenizer.quantizer
    use = CodebookUse(quantizer.codebook_size, quantizer.codebooks).to(tokenizer.device)
    size = config["trainer"]["evaluation_batch_size"]
    batches = evaluation_batches(data, batch_size=size, device=tokenizer.device)
    with closing(iter(batches)) as stream, torch.no_grad():
        for images in stream:
            use.update(images, images, tokenizer.tokenize(images))
    what = f"{len(data.evaluation):,} images of {data.evaluation.description}"
    return plot_embeddings(quantizer, use.counts, place / "embeddings.png", images=what)
