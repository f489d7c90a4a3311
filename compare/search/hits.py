"""A query and the nearest items of a database: as records, and as lines to read."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from compare.search.neighbours import CodeIndex
from shared.codes.packing import code_hex
from shared.scoring.counting import relevance_of
from shared.system.errors import UserError

_QUERIES_AT_ONCE = 256


@dataclass(frozen=True)
class Database:
    """What is searched: ``labels`` are class ids (N,) or multi-hot (N, classes), ``class_of`` names one of them.

    ``numbers`` int64 (N,) identify the items, in a column of the name ``column``; None: their positions do.
    """

    codes: CodeIndex
    labels: np.ndarray
    class_of: Callable[[np.ndarray], str]
    column: str
    numbers: np.ndarray | None = None


class Query(NamedTuple):
    """One code, ``words`` uint64 (ceil(bits/64),), to be searched for.

    ``label`` is its label in the data, and ``predicted`` the class that the network gives it, where these are known.
    ``own_position`` is its own position in the database, -1 if it is not there.
    """

    name: str
    words: np.ndarray
    label: np.ndarray | None = None
    predicted: str | None = None
    own_position: int = -1


class Answer(NamedTuple):
    """The nearest items of a query, all (K,): ``position``, ``distance`` and ``numbers`` int64, and ``labels``.

    ``wrong`` bool, whether they are of other classes than the query; None where that is not known.
    """

    query: Query
    position: np.ndarray
    distance: np.ndarray
    labels: np.ndarray
    numbers: np.ndarray
    wrong: np.ndarray | None


def check_numbers(numbers: Sequence[int], count: int) -> None:
    """Raise UserError unless all ``numbers`` of ``--index`` are below ``count``."""
    wrong = [str(number) for number in numbers if not 0 <= number < count]
    if wrong:
        raise UserError(f"--index: expected 0 to {count - 1}, received {', '.join(wrong)}")


def search(database: Database, queries: Sequence[Query], k: int, exclude_self: bool) -> Iterator[Answer]:
    """The ``k`` nearest items of each query, by distance and then by position; raises like ``CodeIndex.nearest``.

    ``exclude_self`` leaves a query that is an item out of its own ranking.
    """
    for start in range(0, len(queries), _QUERIES_AT_ONCE):
        batch = queries[start : start + _QUERIES_AT_ONCE]
        neighbours = database.codes.nearest(np.stack([query.words for query in batch]), k + exclude_self)
        for query, position, distance in zip(batch, *neighbours, strict=True):
            places = np.flatnonzero((position != query.own_position) | (not exclude_self))[:k]
            yield _answer(database, query, position[places], distance[places])


def _answer(database: Database, query: Query, position: np.ndarray, distance: np.ndarray) -> Answer:
    labels = np.asarray(database.labels[position])
    numbers = position if database.numbers is None else database.numbers[position]
    wrong = None if query.label is None else ~relevance_of(query.label[None], labels)[0]
    return Answer(query, position, distance, labels, numbers, wrong)


def record(answer: Answer, database: Database) -> dict:
    """An answer as JSON values; ``wrong`` is null where the query's class is not known."""
    query = answer.query
    wrong = [None] * len(answer.numbers) if answer.wrong is None else answer.wrong.tolist()
    columns = (answer.numbers.tolist(), answer.distance.tolist(), answer.labels.tolist(), wrong)
    names = [database.class_of(label) for label in answer.labels]
    nearest = [
        {database.column: number, "distance": distance, "label": label, "class": name, "wrong": is_wrong}
        for number, distance, label, is_wrong, name in zip(*columns, names, strict=True)
    ]
    true = None if query.label is None else database.class_of(query.label)
    code = code_hex(query.words, database.codes.bits)
    return {"query": query.name, "class": query.predicted, "true": true, "hex": code, "nearest": nearest}


def lines(entry: dict, column: str) -> str:
    """A ``record`` as text: a line for the query, and one for each item.

    >>> hit = {"index": 7, "distance": 0, "label": 3, "class": "cat", "wrong": True}
    >>> print(lines({"query": "a", "class": "dog", "true": "dog", "hex": "0f", "nearest": [hit]}, "index"))
    a: dog, code 0f (in the data: dog), 0 of 1 right
    rank  distance  index  class
       1         0      7  cat    wrong
    """
    predicted = f"{entry['class']}, " if entry["class"] else ""
    known = f" (in the data: {entry['true']}), {share_right([entry])} right" if entry["true"] else ""
    rows = [("rank", "distance", column, "class", "")]
    for rank, hit in enumerate(entry["nearest"], 1):
        rows.append((rank, hit["distance"], hit[column], hit["class"], "wrong" if hit["wrong"] else ""))
    number, name = (max(len(str(row[place])) for row in rows) for place in (2, 3))
    table = [f"{a:>4}  {b:>8}  {c:>{number}}  {d:{name}}  {e}".rstrip() for a, b, c, d, e in rows]
    return "\n".join([f"{entry['query']}: {predicted}code {entry['hex']}{known}", *table])


def share_right(records: Sequence[dict]) -> str:
    """ "9 of 10": how many of the items of these records are not wrong."""
    wrong = [hit["wrong"] for entry in records for hit in entry["nearest"]]
    return f"{len(wrong) - sum(wrong)} of {len(wrong)}"
