"""What a search optimises: a metric of result.json, and which way."""

from vqx.errors import ConfigError


def direction(objective: str | None) -> str:
    """`maximize` or `minimize`, as is better for the metric `objective`.

    Raises ConfigError for none, for an unknown one, and for one without a better direction.
    """
    from vqx.guard import nearest
    from vqx.reporting.columns import COLUMNS, VARIANTS

    better = {column.key: column.better for column in COLUMNS if column.is_metric}
    known = ", ".join(better)
    if objective is None:
        raise ConfigError(f"a search needs objective=METRIC, one of {known}")
    key = objective
    for prefix in sorted(VARIANTS, key=len, reverse=True):
        key = key.removeprefix(prefix)
    if key not in better:
        raise ConfigError(
            f"objective={objective} is no metric{nearest(objective, better)}: one of {known}; for "
            "one of your own give hydra.sweeper.direction=maximize or minimize too"
        )
    return "maximize" if better[key] == "higher" else "minimize"
