"""Put a suite under results/, to be committed: raw rows, tables, report and figures, without weights and codes.

python compare/publish.py runs/cpu cifar10-cpu     into results/cifar10-cpu, whatever was there; then results/README.md
python compare/publish.py                          results/README.md alone
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

from shared.system.errors import UserError, exit_status
from shared.system.files import write_text
from shared.system.options import Parser
from shared.system.start import ends_at_once


def build_parser() -> argparse.ArgumentParser:
    """The options of ``compare/publish.py``."""
    parser = Parser(description=__doc__)
    parser.add_argument("out", type=Path, nargs="?", metavar="OUT", help="folder of a suite")
    parser.add_argument("name", nargs="?", metavar="NAME", help="folder under results/")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Publish what the command line names."""
    arguments = build_parser().parse_args(argv)
    if arguments.out and not arguments.name:
        raise UserError("NAME: expected the name of a folder under results/, such as cifar10-cpu, received none")
    with ends_at_once():  # pandas and matplotlib, which no wrong option waits for
        from compare.publishing.publish import publish, results_folder
        from compare.publishing.results_page import results_page

    results = results_folder()
    if arguments.out:
        print(f"written to {publish(arguments.out, arguments.name, results)}")
    write_text(results / "README.md", results_page(results))
    print(f"written to {results / 'README.md'}")


if __name__ == "__main__":
    sys.exit(exit_status(main))
