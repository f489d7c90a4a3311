"""How fast the evaluator is, beside the published codes' loop and beside a bare pass over the same data, in one run.

python compare/bench_evaluator.py                 CIFAR-10 (I) size, then up to ten million items from a file; minutes
"""

import sys
from os.path import abspath, dirname

if __name__ == "__main__":
    sys.path.insert(0, dirname(dirname(abspath(__file__))))
    from shared.system.entry import end_in_order

    end_in_order()

import argparse
from collections.abc import Sequence

from compare.speed.evaluator import ITEMS, PARTS, SAMPLES, report
from shared.system.errors import exit_status
from shared.system.options import Parser, whole


def build_parser() -> argparse.ArgumentParser:
    """The options of ``compare/bench_evaluator.py``."""
    parser = Parser(description=__doc__)
    parser.add_argument("--rounds", type=whole(1), default=7, metavar="N", help="measurements of each, in turn")
    # how the whole measures a part in a process of its own
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--items", type=whole(10), default=ITEMS, help=argparse.SUPPRESS)
    parser.add_argument("--codes", choices=SAMPLES, default="random", help=argparse.SUPPRESS)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    arguments = build_parser().parse_args(argv)
    if arguments.part:
        print(PARTS[arguments.part](arguments.codes, arguments.items))
        return
    report(arguments.rounds)


if __name__ == "__main__":
    sys.exit(exit_status(main))
