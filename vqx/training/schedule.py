"""The learning rate as a pure function of the step, so that nothing of it needs saving."""

import math


def learning_rate(
    step: int, *, steps: int, warmup_steps: int, peak: float, minimum: float
) -> float:
    """Rate of optimizer step `step` (from 0): linear warm-up to `peak`, then cosine to `minimum`.

    The cosine reaches `minimum` at the last step.
    """
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    span = max(1, steps - 1 - warmup_steps)
    progress = min(1.0, (step - warmup_steps) / span)
    return minimum + (peak - minimum) * 0.5 * (1 + math.cos(math.pi * progress))
