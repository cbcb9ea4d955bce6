"""vqx: an experiment and ablation runner for discrete image tokenizers.

`vqx.load` gives a trained tokenizer. It is imported on first use: `import vqx` alone is light.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vqx.loading import load

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def __getattr__(name: str) -> Any:
    if name == "load":
        from vqx.loading import load

        return load
    raise AttributeError(f"module 'vqx' has no attribute '{name}'")
