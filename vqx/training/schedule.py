"""The learning rate as a pure function of the step, so that nothing of it needs saving."""

import math


def learning_rate(
    step: int,
    *,
    steps: int,
    warmup_steps: int,
    peak: float,
    minimum: float,
    decay: str | None = None,
) -> float:
    """Rate of optimizer step `step` (from 0): linear warm-up to `peak`, then down to `minimum`.

    decay: "cosine" (None too) or "linear", reaching `minimum` at the last step, or "constant".
    """
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    if decay == "constant":
        return peak
    span = max(1, steps - 1 - warmup_steps)
    progress = min(1.0, (step - warmup_steps) / span)
    left = 1 - progress if decay == "linear" else 0.5 * (1 + math.cos(math.pi * progress))
    return minimum + (peak - minimum) * left
