"""Items and relevant items at every Hamming distance: all that a ranking under ties depends on.

The codes of a trained network repeat, so equal items are counted together, and equal queries once. The database is
read block by block and may be memory-mapped; a block of codes that hardly repeat is counted item by item.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from shared.scoring.grouping import Groups, group_rows, label_words
from shared.system.machine import num_threads

_BLOCK = 2**16  # items: their words stay in a second-level cache for all queries
_PAIRS = 2**22  # most queries x different labels compared at once
_QUERIES = 32  # in a thread's hands at once
_REPEATED = 4  # times on average that a code with its label must be there: grouping costs less than it saves
_FINER = 2  # times the groups that are worth it to pass over whole stretches of items

Advance = Callable[[int], None]


class Side(NamedTuple):
    """Queries or database: packed ``words`` uint64 (N, W), and ``labels``, ids (N,) or multi-hot (N, classes)."""

    words: np.ndarray
    labels: np.ndarray


class StableSums(NamedTuple):
    """Per query, over the relevant items ranked up to ``topk``: sum of precisions float64, and number int64."""

    precisions: np.ndarray
    hits: np.ndarray


class _Equal(NamedTuple):
    """Equal items of a block: ``words`` (groups, W), ``labels`` (groups,), ``sizes`` (groups,), ``group_of`` (items,).

    ``bounds`` int64 (2, stretches + 1): the first item and the first group of each stretch of the block; the items of a
    group all lie in one stretch.
    """

    words: np.ndarray
    labels: np.ndarray
    sizes: np.ndarray
    group_of: np.ndarray
    bounds: np.ndarray


class _Block(NamedTuple):
    start: int
    words: np.ndarray
    labels: np.ndarray  # one of each different label
    label_of_item: np.ndarray  # (items,), a position in ``labels``
    equal: _Equal | None  # None where codes hardly repeat


class Queries(NamedTuple):
    """Each different query once, those of one label side by side."""

    side: Side
    first: np.ndarray  # (different,): the position among all queries
    of_query: np.ndarray  # (queries,): a position among the different ones
    sizes: np.ndarray  # (different,): how many queries it stands for


def distance_counts(
    queries: Side, database: Side, bits: int, leave_out: np.ndarray | None = None, advance: Advance | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Items and relevant items at each Hamming distance: two int64 arrays (queries, bits + 1).

    An item is relevant if its label is the query's or, for multi-hot labels, if the two share a class.
    ``leave_out`` int64 (queries,) is a position in the database that is not counted for this query; -1 for none.
    ``advance`` is called with numbers of finished query-item pairs.
    """
    from shared.scoring import hamming  # numba, which only a score needs

    different = different_queries(queries)
    counts = np.zeros((len(different.first), 2, bits + 1), np.int64)

    def count(rows: slice, relevance: np.ndarray) -> None:
        state = (counts[rows], different.side.words[rows])
        if block.equal is None:
            hamming.count_items(*state, *by_label, relevance)
        else:
            hamming.count_groups(*state, *block.equal[:3], relevance)

    for block in _blocks(database):
        by_label = _by_label(block) if block.equal is None else ()
        _for_all_queries(different, block, count, advance)
    counts[:, 0] += counts[:, 1]
    items, relevant = counts[different.of_query, 0], counts[different.of_query, 1]
    if leave_out is not None:
        _take_out(items, relevant, queries, database, leave_out)
    return items, relevant


def stable_sums(
    queries: Side,
    database: Side,
    items: np.ndarray,
    relevant: np.ndarray,
    topk: int,
    leave_out: np.ndarray | None = None,
    advance: Advance | None = None,
) -> StableSums:
    """What the average precision of the ranking by distance, then by position in the database, is made of.

    ``items`` and ``relevant`` are the queries' ``distance_counts``.
    """
    from shared.scoring import hamming  # as above

    leave_out = np.full(len(items), -1) if leave_out is None else leave_out
    different = different_queries(queries, leave_out)
    first, side = different.first, different.side
    ranked, hits = (np.cumsum(count[first], axis=1) - count[first] for count in (items, relevant))
    sums = StableSums(np.zeros(len(first)), np.zeros(len(first), np.int64))

    def add(rows: slice, relevance: np.ndarray) -> None:
        left_out = leave_out[first[rows]] - block.start
        state = (ranked[rows], hits[rows], *(array[rows] for array in sums), left_out, topk, side.words[rows])
        if block.equal is None:
            hamming.add_items_in_order(*state, block.words, block.label_of_item, relevance)
        else:
            hamming.add_groups_in_order(*state, *equal, relevance)

    for block in _blocks(database):
        equal = block.equal and _by_stretch(block)
        _for_all_queries(different, block, add, advance)
    return StableSums(*(array[different.of_query] for array in sums))


def relevance_of(query_labels: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Which of ``labels`` are relevant to which query: bool (queries, labels)."""
    if labels.ndim == 1:
        return query_labels[:, None] == labels
    return query_labels.astype(np.float32) @ labels.astype(np.float32).T > 0


def different_queries(queries: Side, *others: np.ndarray) -> Queries:
    """The queries that differ in code, label or one of the ``others``, int64 (queries,) each."""
    label = group_rows(label_words(queries.labels)).of_row
    order = np.argsort(label, kind="stable")
    columns = np.column_stack([queries.words, label, *(array.astype(np.uint64) for array in others)])
    groups = group_rows(columns[order])
    first, of_query = order[groups.first], np.empty(len(order), np.int64)
    of_query[order] = groups.of_row
    return Queries(Side(queries.words[first], queries.labels[first]), first, of_query, groups.sizes)


def _blocks(database: Side) -> Iterator[_Block]:
    for start in range(0, len(database.words), _BLOCK):
        words, labels = (np.ascontiguousarray(array[start : start + _BLOCK]) for array in database)
        different = group_rows(label_words(labels))
        label = different.of_row
        yield _Block(start, words, labels[different.first], label, _equal_items(words, label))


def _equal_items(words: np.ndarray, label: np.ndarray) -> _Equal | None:
    """Items with one code and one label; None where these are so many that to count by item costs no more."""
    groups = group_rows(np.column_stack([words, label]), len(words) // _REPEATED)
    return groups and _equal(words, label, groups, [0, len(words)])


def _by_stretch(block: _Block) -> _Equal:
    """The equal items of every stretch of one label, if the block is well enough ordered by label for few of them."""
    label, most = block.label_of_item, min(_FINER * len(block.equal.sizes), len(block.words) // _REPEATED)
    begins = np.flatnonzero(label[1:] != label[:-1]) + 1
    if len(begins) >= most:
        return block.equal
    stretch = np.zeros(len(label), np.uint64)
    stretch[begins] = 1
    groups = group_rows(np.column_stack([block.words, np.cumsum(stretch)]), most)
    return block.equal if groups is None else _equal(block.words, label, groups, [0, *begins, len(label)])


def _equal(words: np.ndarray, label: np.ndarray, groups: Groups, begins: list[int]) -> _Equal:
    bounds = np.array([begins, np.searchsorted(groups.first, begins)])
    return _Equal(words[groups.first], label[groups.first], groups.sizes, groups.of_row, bounds)


def _by_label(block: _Block) -> tuple[np.ndarray, np.ndarray]:
    """The items' words, those of one label side by side, and where each label begins: int64 (labels + 1,)."""
    # sixteen bits are sorted by counting
    words = block.words[np.argsort(block.label_of_item.astype(np.uint16), kind="stable")]
    return words, np.concatenate([[0], np.cumsum(np.bincount(block.label_of_item, minlength=len(block.labels)))])


def _for_all_queries(
    queries: Queries, block: _Block, work: Callable[[slice, np.ndarray], None], advance: Advance | None
) -> None:
    side, sizes = queries.side, queries.sizes
    many = max(_QUERIES, _PAIRS // len(block.labels) // _QUERIES * _QUERIES)
    with ThreadPoolExecutor(num_threads()) as pool:
        for start in range(0, len(sizes), many):
            relevance = relevance_of(side.labels[start : start + many], block.labels).astype(np.uint8)
            starts = range(0, len(relevance), _QUERIES)
            parts = [slice(first, min(first + _QUERIES, len(relevance))) for first in starts]
            rows = [slice(start + part.start, start + part.stop) for part in parts]
            for row, _ in zip(rows, pool.map(work, rows, [relevance[part] for part in parts]), strict=True):
                if advance:
                    advance(int(sizes[row].sum()) * len(block.words))


def _take_out(items: np.ndarray, relevant: np.ndarray, queries: Side, database: Side, leave_out: np.ndarray) -> None:
    (rows,) = np.nonzero(leave_out >= 0)
    positions = leave_out[rows]
    different = np.ascontiguousarray(queries.words[rows] ^ database.words[positions])
    distance = np.unpackbits(different.view(np.uint8), axis=1).sum(axis=1, dtype=np.int64)
    pairs = zip(queries.labels[rows], database.labels[positions], strict=True)
    items[rows, distance] -= 1
    related = [relevance_of(query[None], item[None]).item() for query, item in pairs]
    relevant[rows, distance] -= np.array(related, np.int64)
