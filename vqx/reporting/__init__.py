"""Tables from run folders: seeds folded, every number with its protocol."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vqx.reporting.api import table

__all__ = ["table"]


def __getattr__(name: str) -> object:
    """`table`, which needs pandas, once it is asked for."""
    if name == "table":
        from vqx.reporting.api import table

        return table
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
