"""vqx's own speed and behaviour, measured: the parts of `python -m vqx.bench`.

Each module named for a benchmark has `add_arguments(parser)` and `run(arguments)`, and imports
nothing heavy before it runs.
"""
