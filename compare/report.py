"""Write OUT/report.html: one file that shows what a suite found, and OUT/figures/ with its figures as SVG and PNG.

python compare/report.py OUT      OUT is a folder of benchmark.py, finished or not
"""

import sys
from os.path import abspath, dirname

if __name__ == "__main__":
    sys.path.insert(0, dirname(dirname(abspath(__file__))))
    from shared.system.entry import end_in_order

    end_in_order()

from collections.abc import Sequence
from pathlib import Path

from compare.page.report import write_report
from shared.system.errors import exit_status
from shared.system.options import Parser


def main(argv: Sequence[str] | None = None) -> None:
    """Write the report of the suite that the command line names."""
    parser = Parser(description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of a suite, finished or not")
    print(f"written to {write_report(parser.parse_args(argv).out)}")


if __name__ == "__main__":
    sys.exit(exit_status(main))
