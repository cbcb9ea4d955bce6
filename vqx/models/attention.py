"""Attention over the positions of a grid: softmax, linear, and the residual form of VQGAN.

Axes: B images, N = h w tokens, C channels, A heads, d = C / A channels of a head.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vqx.errors import ConfigError
from vqx.models.normalization import group_norm
from vqx.models.sizes import require_whole


class MultiHead(nn.Module):
    """Projects tokens to queries, keys and values, mixes the values, and projects back.

    Raises ConfigError for a width that the heads do not divide.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        require_whole(width=width, heads=heads)
        if width % heads:
            raise ConfigError(f"model.heads {heads} must divide model.width {width}")
        self.heads = heads
        self.projections = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Mixed `tokens` (B, N, C), in whatever order they come."""
        batch, length, width = tokens.shape
        projected = self.projections(tokens).view(batch, length, 3, self.heads, width // self.heads)
        queries, keys, values = projected.permute(2, 0, 3, 1, 4)  # (B, A, N, d) each
        mixed = self.mix(queries, keys, values)
        return self.output(mixed.transpose(1, 2).reshape(batch, length, width))

    def mix(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """For every query (B, A, N, d) a mean of the values, weighted by match with their keys."""
        raise NotImplementedError


class SoftmaxAttention(MultiHead):
    """Attention (arXiv 1706.03762): weights softmax(q k / sqrt(d)); time grows with N^2."""

    def mix(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """The values' means (B, A, N, d)."""
        return F.scaled_dot_product_attention(queries, keys, values)


class LinearAttention(MultiHead):
    """Linear attention (Katharopoulos et al. 2020, arXiv 2006.16236), every token seeing all.

    Weights proportional to f(q) f(k), f = elu + 1, summing to one over the keys. The keys are
    summed before a query meets them: time and memory grow with N, and nothing is N x N. The sums
    are float32 whatever autocast says.
    """

    def mix(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """The values' means (B, A, N, d)."""
        with torch.autocast(queries.device.type, enabled=False):
            q, k = positive_features(queries.float()), positive_features(keys.float())
            summary = k.transpose(-2, -1) @ values.float()  # (B, A, d, d)
            total = q @ k.sum(-2).unsqueeze(-1)  # (B, A, N, 1)
            mixed = (q @ summary) / total.clamp_min(torch.finfo(total.dtype).tiny)
        return mixed.to(values.dtype)


def positive_features(x: Tensor) -> Tensor:
    """elu(x) + 1 without its cancellation: exp(x) below 0, so positive there too; x + 1 above."""
    return x.clamp(max=0).exp() + x.relu()


class GridAttention(nn.Module):
    """x + attention(normalized x) on a grid, one head, 1x1 projections (arXiv 2012.09841)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = group_norm(channels)
        self.projections = nn.Conv2d(channels, 3 * channels, 1)
        self.output = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """`x` (B, C, h, w) with what every position gathered from all."""
        tokens = self.projections(self.norm(x)).flatten(2).transpose(1, 2)  # (B, N, 3 C)
        # With an axis for the head, or no fused kernel would take it.
        queries, keys, values = tokens.unsqueeze(1).chunk(3, dim=-1)
        mixed = F.scaled_dot_product_attention(queries, keys, values).squeeze(1)
        return x + self.output(mixed.transpose(1, 2).reshape(x.shape))
