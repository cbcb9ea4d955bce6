"""Quantizer dropout: images of a training batch that keep only the first few stages.

Axes: B images, Q stages.
"""

import torch
from torch import Tensor

# The code of a stage that an image does without.
ABSENT = -1


def draw_stages(images: int, stages: int, share: float, *, device: torch.device) -> Tensor:
    """How many stages each image keeps, (B,) int64, from torch's generator.

    With probability `share` a number drawn evenly from 1..Q, else all Q (Zeghidour et al. 2021,
    arXiv 2107.03312, section 3.3, image by image). The first image always keeps all, so that no
    stage is ever without a gradient, which would leave ranks waiting for each other.
    """
    kept = torch.randint(1, stages + 1, (images,), device=device)
    drops = torch.rand(images, device=device) < share
    drops[:1] = False
    return torch.where(drops, kept, stages)
