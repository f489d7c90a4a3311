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
    records = [record(answer, database) for answer in search(database, queries, arguments.k, arguments.exclude_self)]
    print_answers(records, database.column, arguments.json)
    if arguments.out and records:
        try:
            _draw(run, records, pixels if arguments.image else run.dataset.pixels[arguments.index], arguments.out)
        except UserError as error:
            failures.append(f"{arguments.out} is not drawn: {error}")
    if failures:
        raise UserError(*failures)


def _draw(run: FinishedRun, records: Sequence[dict], queries: np.ndarray, file: Path) -> None:
    """Draw the images of the queries, uint8 (Q, height, width, 3), and of the items of their records."""
    from compare.page.figures import house_style, write_figure
    from compare.page.tiles import Block, Tile, tile_figure

    pixels = run.dataset.pixels
    rows = [[Tile(pixels[hit["index"]], bool(hit["wrong"])) for hit in entry["nearest"]] for entry in records]
    title = f"{FRAMEWORKS[run.framework].title}, {run.recipe.bits} bits"
    if all(entry["true"] for entry in records):
        title += f": {share_right(records)} right"
    names = [
        f"{Path(entry['query']).name[-_SHOWN_LETTERS:]}\n{entry['true'] or 'taken for ' + entry['class']}"
        for entry in records
    ]
    with house_style(), warnings.catch_warnings():
        # letters of a file's name that the font lacks become boxes
        warnings.filterwarnings("ignore", "Glyph")
        write_figure(tile_figure(names, queries, [Block(title, rows)]), file)


def search_files(arguments: argparse.Namespace) -> None:
    """Answer with the items of codes from files; UserError where those do not fit together."""
    queries, items = read_both(arguments)
    known = common_bits(arguments.bits, queries, items)
    query_side, item_side, bits = checked_sides(
        queries.codes, queries.labels, items.codes, items.labels, known, arguments.zeros
    )
    own_positions = own_items(query_side, item_side, left_out(arguments.exclude_self, queries, items))
    index = arguments.index or range(len(query_side.words))
    check_numbers(index, len(query_side.words))
    codes = open_index(item_side.words, bits, index_beside(arguments.database or arguments.query))
    database = Database(codes, item_side.labels, _label_text, "position")
    if own_positions is None:
        own_positions = np.full(len(query_side.words), -1)
    words, labels = query_side.words, query_side.labels
    chosen = [Query(f"query {i}", words[i], labels[i], own_position=int(own_positions[i])) for i in index]
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
    for number, entry in enumerate(records):
        print(json.dumps(entry) if as_json else "\n" * (number > 0) + lines(entry, column))
