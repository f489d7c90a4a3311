"""Write OUT/report.html: one file that shows what a suite found, and OUT/figures/ with its figures as SVG and PNG.

python compare/report.py OUT      OUT is a folder of benchmark.py, finished or not
"""

import sys
from os.path import abspath, dirname

if __name__ == "__main__":
    sys.path.insert(0, dirname(dirname(abspath(__file__))))
    from shared.system.entry import end_in_order

    end_in_order()

import argparse
from collections.abc import Sequence
from pathlib import Path

from shared.system.errors import exit_status
from shared.system.options import Parser
from shared.system.start import ends_at_once


def build_parser() -> argparse.ArgumentParser:
    """The options of ``compare/report.py``."""
    parser = Parser(description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of a suite, finished or not")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Write the report of the suite that the command line names."""
    arguments = build_parser().parse_args(argv)
    with ends_at_once():  # matplotlib, which no wrong option waits for
        from compare.page.report import write_report

    print(f"written to {write_report(arguments.out)}")


if __name__ == "__main__":
    sys.exit(exit_status(main))
