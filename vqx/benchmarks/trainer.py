"""`python -m vqx.bench trainer`: what the trainer adds to a bare loop."""

import argparse

DESCRIPTION = """What the trainer adds to a bare loop of forward, backward and optimizer.

  python -m vqx.bench trainer                       the default experiment
  python -m vqx.bench trainer quantizer=ema         any overrides of vqx.train"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command line can say."""
    parser.description = DESCRIPTION
    parser.add_argument("overrides", nargs="*", help="GROUP=CHOICE or KEY=VALUE")
    parser.add_argument("--steps", type=int, default=20, help="steps a round (default 20)")
    parser.add_argument("--rounds", type=int, default=7, help="rounds (default 7)")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    from vqx.training.overhead import measure_overhead

    steps, rounds = max(1, arguments.steps), max(2, arguments.rounds)
    print(measure_overhead(arguments.overrides, steps=steps, rounds=rounds))
