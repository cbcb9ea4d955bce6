"""`python -m vqx.bench`: vqx's own speed, as ratios measured side by side in one run."""

import argparse
import sys

from vqx.cli import guarded

_DESCRIPTION = """Measure vqx on this machine. Ratios of alternating rounds: other load cancels out.

  python -m vqx.bench trainer                       what the trainer adds to a bare loop
  python -m vqx.bench trainer quantizer=ema         any overrides of vqx.train"""


def main() -> None:
    """Entry point of `python -m vqx.bench` and `vqx-bench`."""
    guarded(_bench)


def _bench() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m vqx.bench",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=["trainer"], help="what to measure")
    parser.add_argument("overrides", nargs="*", help="GROUP=CHOICE or KEY=VALUE")
    parser.add_argument("--steps", type=int, default=20, help="steps a round (default 20)")
    parser.add_argument("--rounds", type=int, default=7, help="rounds (default 7)")
    arguments = parser.parse_intermixed_args(sys.argv[1:])
    from vqx.training.overhead import measure_overhead

    print(
        measure_overhead(
            arguments.overrides, steps=max(1, arguments.steps), rounds=max(2, arguments.rounds)
        )
    )


if __name__ == "__main__":
    main()
