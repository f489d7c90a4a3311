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

from collections.abc import Sequence
from pathlib import Path

from compare.publishing.findings import results_page
from compare.publishing.publish import RESULTS, publish
from shared.system.errors import UserError, exit_status
from shared.system.files import write_text
from shared.system.options import Parser


def main(argv: Sequence[str] | None = None) -> None:
    """Publish what the command line names."""
    parser = Parser(description=__doc__)
    parser.add_argument("out", type=Path, nargs="?", metavar="OUT", help="folder of a suite")
    parser.add_argument("name", nargs="?", metavar="NAME", help="folder under results/")
    arguments = parser.parse_args(argv)
    if arguments.out and not arguments.name:
        raise UserError("NAME: expected the name of a folder under results/, such as cifar10-cpu, received none")
    if arguments.out:
        print(f"written to {publish(arguments.out, arguments.name)}")
    write_text(RESULTS / "README.md", results_page(RESULTS))
    print(f"written to {RESULTS / 'README.md'}")


if __name__ == "__main__":
    sys.exit(exit_status(main))
