"""The answers to a search: among the images of a run, or among codes from files."""

import argparse
import json
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from compare.frameworks.records import FRAMEWORKS
from compare.frameworks.worker import Worker, named_python
from compare.scores.code_files import common_bits, left_out, read_both
from compare.search.hits import Database, Query, check_numbers, lines, record, search, share_right
from compare.search.neighbours import index_beside, open_index
from compare.search.run_queries import FinishedRun, open_run
from shared.scoring.own_items import own_items
from shared.scoring.retrieval import checked_sides
from shared.system.errors import UserError

_SHOWN_LETTERS = 24


def search_run(arguments: argparse.Namespace) -> None:
    """Answer with the images of a finished run, whose network encodes the pictures."""
    run = open_run(arguments.run, arguments.data)
    database = run.database()
    worker, failures = Worker(run.framework, named_python(arguments, run.framework)), []
    if arguments.image:
        pixels, names, failures = run.read_pictures(arguments.image)
        queries = run.of_pictures(names, pixels, worker, arguments.device) if names else []
    else:
        queries = run.of_images(arguments.index, worker, arguments.device)
    found = [record(answer, database) for answer in search(database, queries, arguments.k, arguments.exclude_self)]
    print_answers(found, database.column, arguments.json)
    if arguments.out and found:
        try:
            _draw(run, found, pixels if arguments.image else run.dataset.pixels[arguments.index], arguments.out)
        except UserError as error:
            failures.append(f"{arguments.out} is not drawn: {error}")
    if failures:
        raise UserError(*failures)


def _draw(run: FinishedRun, found: Sequence[dict], queries: np.ndarray, file: Path) -> None:
    """Draw the images of the queries, uint8 (Q, height, width, 3), and of the items of their records."""
    from compare.page.figures import house_style, write_figure
    from compare.page.tiles import Block, Tile, tile_figure

    pixels = run.dataset.pixels
    rows = [[Tile(pixels[hit["index"]], bool(hit["wrong"])) for hit in one["nearest"]] for one in found]
    title = f"{FRAMEWORKS[run.framework].title}, {run.recipe.bits} bits"
    if all(one["true"] for one in found):
        title += f": {share_right(found)} right"
    names = [
        f"{Path(one['query']).name[-_SHOWN_LETTERS:]}\n{one['true'] or 'taken for ' + one['class']}" for one in found
    ]
    with house_style(), warnings.catch_warnings():
        # letters of a file's name that the font lacks become boxes
        warnings.filterwarnings("ignore", "Glyph")
        write_figure(tile_figure(names, queries, [Block(title, rows)]), file)


def search_files(arguments: argparse.Namespace) -> None:
    """Answer with the items of codes from files; UserError where those do not fit together."""
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
    print_answers((record(answer, database) for answer in answers), database.column, arguments.json)


def _label_text(label: np.ndarray) -> str:
    """A class id, or the classes of a multi-hot row.

    >>> _label_text(np.array([0, 1, 0, 1])), _label_text(np.int64(4))
    ('labels 1+3', 'label 4')
    """
    return f"labels {'+'.join(map(str, np.flatnonzero(label)))}" if label.ndim else f"label {int(label)}"


def print_answers(records: Iterable[dict], column: str, as_json: bool) -> None:
    """Print the answers as text, or as one JSON object a line."""
    for number, one in enumerate(records):
        print(json.dumps(one) if as_json else "\n" * (number > 0) + lines(one, column))
