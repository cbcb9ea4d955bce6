"""`python -m vqx.bench`: vqx's own speed, measured side by side in one run."""

import argparse
import importlib
import sys

from vqx.cli import guarded

_DESCRIPTION = """Measure vqx on this machine. Ratios of alternating rounds: other load cancels out.
`python -m vqx.bench NAME --help` tells more."""

# Benchmarks, each a module of vqx.benchmarks with `add_arguments` and `run`.
BENCHMARKS = {
    "trainer": "what the trainer adds to a bare loop",
    "quantizers": "time and memory of every quantizer beside vector-quantize-pytorch",
    "models": "time and memory of an optimizer step of every model and loss",
    "planning": "seconds to plan a sweep, beside Hydra's own composition of its jobs",
    "launchers": "seconds before a job's first step and after its last, by launcher",
    "data": "images a second of every loader beside torchvision's ImageFolder",
    "metrics": "images a second of all metrics beside a plain torchmetrics loop",
    "report": "time and memory of the table of up to 100,000 runs",
    "collapse": "how much of a codebook is in use after training, by method",
}


def main() -> None:
    """Entry point of `python -m vqx.bench` and `vqx-bench`."""
    guarded(_bench)


def _bench() -> None:
    words = sys.argv[1:]
    parser = argparse.ArgumentParser(
        prog="python -m vqx.bench",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="what", metavar="NAME", required=True)
    for name, summary in BENCHMARKS.items():
        command = commands.add_parser(
            name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if words[:1] == [name]:
            benchmark = importlib.import_module(f"vqx.benchmarks.{name}")
            benchmark.add_arguments(command)
            # Overrides may stand before and after options, which sub-commands do not allow.
            benchmark.run(command.parse_intermixed_args(words[1:]))
            return
    parser.parse_args(words)


if __name__ == "__main__":
    main()
