"""Which way is better in a trade-off, where every column must have a way or none."""

from vqx.reporting.columns import Column

# Columns without a direction of their own are sizes and costs: less is better, but of speed.
_MORE_IS_BETTER = ("images_per_second",)
# Beside a quality the entropy of codes is a rate, though in a table more of it is no worse.
_RATES = ("code_entropy",)


def direction(column: Column) -> str | None:
    """`higher` or `lower`: which values of a column are better; None for a metric that has none."""
    if column.better or (column.is_metric and column.key not in _RATES):
        return column.better
    return "higher" if column.key in _MORE_IS_BETTER else "lower"
