"""Print the comparison table of one suite or of several together, and write it as table.md, table.csv and table.json.

python compare/table.py OUT                       what benchmark.py wrote, anew: a pure function of the run folders
python compare/table.py A B C --into MERGED       suites of one recipe from several machines, each with its own seeds
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
    """The options of ``compare/table.py``."""
    parser = Parser(description=__doc__)
    parser.add_argument("outs", type=Path, nargs="+", metavar="OUT", help="folders of suites, finished or not")
    parser.add_argument("--into", type=Path, metavar="DIR", help="where to write it; default: the first OUT")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Write the table of the suites that the command line names."""
    arguments = build_parser().parse_args(argv)
    with ends_at_once():  # pandas, which no wrong option waits for
        from compare.tables.table import write_table

    print(write_table(*arguments.outs, into=arguments.into))


if __name__ == "__main__":
    sys.exit(exit_status(main))
