"""Find the images whose codes are nearest to those of a picture, or of any image of the data.

python compare/retrieve.py --run OUT/torch/bits48-seed2000 --image cat.png dog.jpg --out found.png
python compare/retrieve.py --run OUT/torch/bits48-seed2000 --index 7 31337
python compare/retrieve.py --query test.npz --database base.npz --index 0     codes of any model; see evaluate.py

Items are in the order of Hamming distance, then of their position in the database. A query that is itself an item is
found like any other, unless --exclude-self. The index that is searched is stored beside the codes as .faiss, and built
anew when they change.
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

from compare.frameworks.worker import add_python_options
from compare.scores.code_files import add_file_options
from compare.search.answers import search_files, search_run
from shared.system.errors import UserError, exit_status
from shared.system.files import check_target
from shared.system.options import Parser

# a drawing of more is too large to be of use
_MOST_ROWS, _MOST_COLUMNS = 100, 50
# options that belong to one of the two ways of naming what is searched
_WITH_RUN, _WITH_FILES = ("image", "data", "out"), ("database", "query_labels", "database_labels", "bits")


def build_parser() -> argparse.ArgumentParser:
    """The options of ``compare/retrieve.py``."""
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add("-k", type=int, default=10, metavar="N", help="items for each query; default: 10")
    add(
        "--index",
        type=int,
        nargs="+",
        action="extend",
        metavar="N",
        help="images of the run's data, or queries of --query, from 0",
    )
    add("--json", action="store_true", help="one JSON object a line for each query")
    run = parser.add_argument_group("a run of this project")
    add = run.add_argument
    add("--run", type=Path, metavar="DIR", help="folder of a finished run")
    add("--image", type=Path, nargs="+", action="extend", metavar="FILE", help="image files of any size and mode")
    add("--data", metavar="PATH", help="images of the run; default: where it found them")
    add("--out", type=Path, metavar="FILE", help="draw the images that were found: .png or .svg")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where --image is encoded")
    add_python_options(run)
    add_file_options(parser.add_argument_group("codes of any model"), required=False)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Search for what the command line names."""
    arguments = build_parser().parse_args(argv)
    _check(arguments)
    (search_run if arguments.run else search_files)(arguments)


def _check(arguments: argparse.Namespace) -> None:
    if (arguments.run is None) == (arguments.query is None):
        raise UserError(f"expected --run or --query, received {'both' if arguments.run else 'neither'}")
    chosen, others = ("--run", _WITH_FILES) if arguments.run else ("--query", _WITH_RUN)
    for name in others:
        if getattr(arguments, name) is not None:
            raise UserError(f"--{name.replace('_', '-')} does not go with {chosen}; leave one of them out")
    if arguments.run and (arguments.image is None) == (arguments.index is None):
        raise UserError(f"expected --image or --index, received {'both' if arguments.image else 'neither'}")
    if arguments.k < 1:
        raise UserError(f"-k: expected at least 1, received {arguments.k}")
    if arguments.out:
        _check_picture(arguments)


def _check_picture(arguments: argparse.Namespace) -> None:
    from compare.page.figures import FORMATS

    check_target(arguments.out)
    rows = len(arguments.image or arguments.index)
    if arguments.out.suffix not in FORMATS:
        raise UserError(f"--out: expected a file name with {' or '.join(FORMATS)}, received {arguments.out}")
    if rows > _MOST_ROWS or arguments.k > _MOST_COLUMNS:
        raise UserError(
            f"--out: expected at most {_MOST_ROWS} queries and -k {_MOST_COLUMNS}, received {rows} and -k {arguments.k}"
        )


if __name__ == "__main__":
    sys.exit(exit_status(main))
