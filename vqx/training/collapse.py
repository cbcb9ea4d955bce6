"""When a finished run counts as collapsed.

Axes: Q codebooks, K codes of each, b binary digits of a code, N tokens (latent positions) of the
evaluation set.
"""

from torch import Tensor


def collapse_note(
    counts: Tensor | None, bit_entropies: Tensor | None, *, tokens: int, floor: float | None
) -> str | None:
    """Why a quantizer counts as collapsed: the worst of its codebooks does; None: it does not.

    `counts` (Q, K) is how often each code was used. A codebook's usage, relative to the
    min(1, N / K) that N `tokens` can reach, is under `floor`; where K is too large to count
    (`counts` None) its mean of `bit_entropies` (Q, b), in [0, 1]. `floor` None: never.
    """
    if floor is None:
        return None
    if counts is not None:
        codes = counts.shape[1]
        usage, where = _worst((counts > 0).double().mean(1))
        allowed = min(1.0, tokens / codes)
        relative = usage / allowed
        what = f"usage {usage:.2%} of {codes:,} codes{where}"
        if allowed < 1:
            what += f" is {relative:.2%} of what {tokens:,} tokens allow"
    elif bit_entropies is not None:
        relative, where = _worst(bit_entropies.mean(1))
        what = f"bit entropy {relative:.4f} of 1{where}"
    else:
        return None
    return f"{what}, under trainer.collapse_floor={floor:g}" if relative < floor else None


def _worst(values: Tensor) -> tuple[float, str]:
    """The smallest of values (Q,), and where several are it is."""
    value, codebook = values.min(0)
    where = f" in codebook {int(codebook) + 1} of {len(values)}" if len(values) > 1 else ""
    return float(value), where
