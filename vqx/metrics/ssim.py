"""Structural similarity (Wang et al. 2004): one number an image.

Axes: B images, C channels, H W pixels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW = 11
SIGMA = 1.5
DATA_RANGE = 255.0
K1, K2 = 0.01, 0.03


def structural_similarity(real: Tensor, fake: Tensor) -> Tensor:
    """SSIM (B,) float64 of uint8 images (B, C, H, W), at least 11 px high and wide.

    Gaussian window of 11 px with sigma 1.5, population covariance, data range 255; the mean over
    channels and over those pixels whose whole window lies inside the image.
    """
    # float64: a variance is a small difference of large squares.
    x, y = real.double(), fake.double()
    mean_x, mean_y = _blur(x), _blur(y)
    product, squares = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
    covariance = _blur(x * y) - product
    variances = _blur(x * x + y * y) - squares  # of both images, together
    c1, c2 = (K1 * DATA_RANGE) ** 2, (K2 * DATA_RANGE) ** 2
    similarity = (2 * product + c1) * (2 * covariance + c2)
    similarity /= (squares + c1) * (variances + c2)
    return similarity.mean((1, 2, 3))


def _blur(x: Tensor) -> Tensor:
    """Gaussian mean of each window, (B, C, H - 10, W - 10): one pass along each axis."""
    offsets = torch.arange(WINDOW, dtype=x.dtype, device=x.device) - WINDOW // 2
    kernel = torch.exp(-(offsets**2) / (2 * SIGMA**2))
    kernel = kernel / kernel.sum()
    images, channels, height, width = x.shape
    planes = x.reshape(images * channels, 1, height, width)
    planes = F.conv2d(planes, kernel.view(1, 1, WINDOW, 1))
    planes = F.conv2d(planes, kernel.view(1, 1, 1, WINDOW))
    return planes.view(images, channels, *planes.shape[-2:])
