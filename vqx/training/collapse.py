"""When a finished run counts as collapsed.

Axes: K codes, N tokens (latent positions) of the evaluation set.
"""

from collections.abc import Mapping


def collapse_note(
    values: Mapping[str, float], *, tokens: int, codebook_size: int, floor: float | None
) -> str | None:
    """Why a codebook with these metric values counts as collapsed; None: it does not.

    Its usage, relative to the min(1, N / K) that N `tokens` can reach, is under `floor`; where
    usage is undefined (K too large to count) the `bit_entropy`, in [0, 1]. `floor` None: never.
    """
    if floor is None:
        return None
    if (usage := values.get("usage")) is not None:
        allowed = min(1.0, tokens / codebook_size)
        relative = usage / allowed
        what = f"usage {usage:.2%} of {codebook_size:,} codes"
        if allowed < 1:
            what += f" is {relative:.2%} of what {tokens:,} tokens allow"
    elif (entropy := values.get("bit_entropy")) is not None:
        relative, what = entropy, f"bit entropy {entropy:.4f} of 1"
    else:
        return None
    return f"{what}, under trainer.collapse_floor={floor:g}" if relative < floor else None
