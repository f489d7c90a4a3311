"""Find the images whose codes are nearest to those of a picture, or of any image of the data.

python compare/retrieve.py --run OUT/torch/bits48-seed2000 --image cat.png dog.jpg --out found.png
python compare/retrieve.py --run OUT/torch/bits48-seed2000 --index 7 31337
python compare/retrieve.py --query test.npz --database base.npz --index 0     codes of any model; see evaluate.py

Items stand by Hamming distance, at one distance by their position in the database. A query that is itself an item is
found like any other, unless --exclude-self. The index that is searched is stored beside the codes as .faiss, and built
anew when they change.
"""

import runpy
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).parents[1] / "shared" / "system" / "entry.py"))

import argparse
import json
import sys
import warnings
from collections.abc import Iterable, Sequence

import numpy as np

from compare.code_files import add_file_options, common_bits, left_out, read_both
from compare.search.hits import Database, Query, check_numbers, lines, record, search, share_right
from compare.search.neighbours import index_beside, open_index
from compare.search.run_queries import FinishedRun, open_run
from compare.worker import NAMES, Worker, add_python_options
from shared.scoring.own_items import own_items
from shared.scoring.retrieval import checked_sides
from shared.system.errors import UserError, exit_status
from shared.system.options import Parser

# no file that a picture of more could be drawn into is of use to anybody
_MOST_ROWS, _MOST_COLUMNS = 100, 50
_SHOWN_LETTERS = 24
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


def main() -> None:
    """Search for what the command line names."""
    arguments = build_parser().parse_args()
    _check(arguments)
    (_search_run if arguments.run else _search_files)(arguments)


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
    from compare.figures import FORMATS

    rows = len(arguments.image or arguments.index)
    if arguments.out.suffix not in FORMATS:
        raise UserError(f"--out: expected a file name with {' or '.join(FORMATS)}, received {arguments.out}")
    if rows > _MOST_ROWS or arguments.k > _MOST_COLUMNS:
        raise UserError(
            f"--out: expected at most {_MOST_ROWS} queries and -k {_MOST_COLUMNS}, received {rows} and -k {arguments.k}"
        )


def _search_run(arguments: argparse.Namespace) -> None:
    run = open_run(arguments.run, arguments.data)
    database = run.database()
    worker, failures = Worker(run.framework, getattr(arguments, f"{run.framework}_python")), []
    if arguments.image:
        pixels, names, failures = run.read_pictures(arguments.image)
        queries = run.of_pictures(names, pixels, worker, arguments.device) if names else []
    else:
        queries = run.of_images(arguments.index, worker, arguments.device)
    found = [record(answer, database) for answer in search(database, queries, arguments.k, arguments.exclude_self)]
    _print(found, database.column, arguments.json)
    if arguments.out and found:
        try:
            _draw(run, found, pixels if arguments.image else run.dataset.pixels[arguments.index], arguments.out)
        except UserError as error:
            failures.append(f"{arguments.out} is not drawn: {error}")
    if failures:
        raise UserError(*failures)


def _draw(run: FinishedRun, found: Sequence[dict], queries: np.ndarray, file: Path) -> None:
    """Draw the images of the queries, uint8 (Q, height, width, 3), and of the items of their records."""
    from compare.figures import house_style, write_figure
    from compare.reporting.tiles import Block, Tile, tile_figure

    pixels = run.dataset.pixels
    rows = [[Tile(pixels[hit["index"]], bool(hit["wrong"])) for hit in one["nearest"]] for one in found]
    title = f"{NAMES[run.framework]}, {run.recipe.bits} bits"
    if all(one["true"] for one in found):
        title += f": {share_right(found)} right"
    names = [
        f"{Path(one['query']).name[-_SHOWN_LETTERS:]}\n{one['true'] or 'taken for ' + one['class']}" for one in found
    ]
    with house_style(), warnings.catch_warnings():
        # letters of a file's name that the font lacks become boxes
        warnings.filterwarnings("ignore", "Glyph")
        write_figure(tile_figure(names, queries, [Block(title, rows)]), file)


def _search_files(arguments: argparse.Namespace) -> None:
    queries, items = read_both(arguments)
    known = common_bits(arguments.bits, queries, items)
    asked, stored, bits = checked_sides(
        queries.codes, queries.labels, items.codes, items.labels, known, arguments.zeros
    )
    own = own_items(asked, stored, left_out(arguments.exclude_self, queries, items))
    index = arguments.index or range(len(asked.words))
    check_numbers(index, len(asked.words))
    codes = open_index(stored.words, bits, index_beside(arguments.database or arguments.query))
    database = Database(codes, stored.labels, _label_text, "position")
    itself = np.full(len(asked.words), -1) if own is None else own
    chosen = [Query(f"query {i}", asked.words[i], asked.labels[i], itself=int(itself[i])) for i in index]
    answers = search(database, chosen, arguments.k, arguments.exclude_self)
    _print((record(answer, database) for answer in answers), database.column, arguments.json)


def _label_text(label: np.ndarray) -> str:
    """A class id, or the classes of a multi-hot row.

    >>> _label_text(np.array([0, 1, 0, 1])), _label_text(np.int64(4))
    ('labels 1+3', 'label 4')
    """
    return f"labels {'+'.join(map(str, np.flatnonzero(label)))}" if label.ndim else f"label {int(label)}"


def _print(records: Iterable[dict], column: str, as_json: bool) -> None:
    for number, one in enumerate(records):
        print(json.dumps(one) if as_json else "\n" * (number > 0) + lines(one, column))


if __name__ == "__main__":
    sys.exit(exit_status(main))
