"""`python -m vqx.bench metrics`: the full metric set beside a plain torchmetrics loop."""

import argparse
import importlib.util

from vqx.errors import VqxError

DESCRIPTION = """Images a second of the full metric set beside a plain torchmetrics loop.

  python -m vqx.bench metrics                       64, 128 and 256 px
  python -m vqx.bench metrics --sizes 64 --images 32"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command line can say."""
    parser.description = DESCRIPTION
    add = parser.add_argument
    add("--sizes", nargs="+", type=int, default=[64, 128, 256], metavar="PX")
    add("--images", type=int, default=64, help="images a round (default 64)")
    add("--rounds", type=int, default=5, help="rounds (default 5)")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    if importlib.util.find_spec("torchmetrics") is None:
        raise VqxError("no torchmetrics to compare with: pip install torchmetrics")
