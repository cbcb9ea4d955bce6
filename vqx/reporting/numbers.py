"""The numbers of a row, looked up once."""

from vqx.reporting.columns import Column
from vqx.reporting.frame import Row


def numbers_of(column: Column, row: Row) -> list[float | None]:
    """The column's number of each run of a row."""
    key = "numbers", column.key, column.place
    found: list[float | None] | None = row.memory.get(key)
    if found is None:
        found = row.memory[key] = [column.value(run.result) for run in row.runs]
    return found
