"""Items and relevant items at every Hamming distance: all that a ranking under ties depends on.

Compiled kernels, one thread per slice of the queries; every query is counted by one thread in one order, so the
number of threads changes nothing. The database is read block by block and may be memory-mapped.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numba import njit, types
from numba.extending import intrinsic, overload

from shared.machine import num_threads

_BLOCK = 2**16  # items: their words stay in a second-level cache for all queries, and uint16 numbers their labels
_PAIRS = 2**22  # most queries x different labels compared at once
_QUERIES = 32  # in a thread's hands at once

Advance = Callable[[int], None]


class Side(NamedTuple):
    """Queries or database: packed ``words`` uint64 (N, W), and ``labels``, ids (N,) or multi-hot (N, classes)."""

    words: np.ndarray
    labels: np.ndarray


class StableSums(NamedTuple):
    """Per query, over the relevant items ranked up to ``topk``: sum of precisions float64, and number int64."""

    precisions: np.ndarray
    found: np.ndarray


class _Block(NamedTuple):
    start: int
    words: np.ndarray
    labels: np.ndarray  # one of each different label
    label_of_item: np.ndarray  # uint16 (items,), a position in ``labels``


def distance_counts(
    queries: Side, database: Side, bits: int, leave_out: np.ndarray | None = None, advance: Advance | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Items and relevant items at each Hamming distance: two int64 arrays (queries, bits + 1).

    An item is relevant if its label is the query's or, for multi-hot labels, if the two share a class.
    ``leave_out`` int64 (queries,) is a position in the database that is not counted for this query; -1 for none.
    ``advance`` is called with numbers of finished query-item pairs.
    """
    counts = np.zeros((len(queries.words), 2, bits + 1), np.int64)

    def count(rows: slice, relevance: np.ndarray) -> None:
        _count(counts[rows], queries.words[rows], words, bounds, relevance)

    for block in _blocks(database):
        # items with one label side by side: a whole stretch is relevant to a query, or none of it
        words = block.words[np.argsort(block.label_of_item, kind="stable")]
        bounds = np.concatenate([[0], np.cumsum(np.bincount(block.label_of_item, minlength=len(block.labels)))])
        _for_all_queries(queries, block, count, advance)
    if leave_out is not None:
        _take_out(counts, queries, database, leave_out)
    return counts.sum(axis=1), counts[:, 1]


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
    seen, found = (np.cumsum(count, axis=1) - count for count in (items, relevant))
    sums = StableSums(np.zeros(len(items)), np.zeros(len(items), np.int64))
    nobody = np.full(len(items), -1)
    leave_out = nobody if leave_out is None else leave_out

    def add(rows: slice, relevance: np.ndarray) -> None:
        state = (seen[rows], found[rows], *(array[rows] for array in sums), leave_out[rows] - block.start)
        _add_in_order(*state, topk, queries.words[rows], block.words, block.label_of_item, relevance)

    for block in _blocks(database):
        _for_all_queries(queries, block, add, advance)
    return sums


def relevance_of(query_labels: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Which of ``labels`` are relevant to which query: bool (queries, labels)."""
    if labels.ndim == 1:
        return query_labels[:, None] == labels
    return query_labels.astype(np.float32) @ labels.astype(np.float32).T > 0


def _blocks(database: Side) -> Iterator[_Block]:
    for start in range(0, len(database.words), _BLOCK):
        words, labels = (np.ascontiguousarray(array[start : start + _BLOCK]) for array in database)
        different, label_of_item = np.unique(labels, axis=0, return_inverse=True)
        yield _Block(start, words, different, label_of_item.astype(np.uint16))


def _for_all_queries(
    queries: Side, block: _Block, work: Callable[[slice, np.ndarray], None], advance: Advance | None
) -> None:
    many = max(_QUERIES, _PAIRS // len(block.labels) // _QUERIES * _QUERIES)
    with ThreadPoolExecutor(num_threads()) as pool:
        for start in range(0, len(queries.words), many):
            relevance = relevance_of(queries.labels[start : start + many], block.labels).astype(np.uint8)
            starts = range(0, len(relevance), _QUERIES)
            parts = [slice(first, min(first + _QUERIES, len(relevance))) for first in starts]
            rows = [slice(start + part.start, start + part.stop) for part in parts]
            for part, _ in zip(parts, pool.map(work, rows, [relevance[part] for part in parts]), strict=True):
                if advance:
                    advance((part.stop - part.start) * len(block.words))


def _take_out(counts: np.ndarray, queries: Side, database: Side, leave_out: np.ndarray) -> None:
    (rows,) = np.nonzero(leave_out >= 0)
    items = leave_out[rows]
    different = np.ascontiguousarray(queries.words[rows] ^ database.words[items])
    distance = np.unpackbits(different.view(np.uint8), axis=1).sum(axis=1, dtype=np.int64)
    pairs = zip(queries.labels[rows], database.labels[items], strict=True)
    relevant = [int(relevance_of(query[None], item[None]).item()) for query, item in pairs]
    counts[rows, relevant, distance] -= 1


_compile = njit(nogil=True, cache=True, boundscheck=False)


@intrinsic
def _popcount(typing_context, word):  # noqa: ARG001 - numba prescribes the signatures
    def code(context, builder, signature, arguments):  # noqa: ARG001
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), code


def _distance(one: np.ndarray, other: np.ndarray) -> int:
    """The Hamming distance of two words, or of two codes of many words; compiled callers get ``_compiled_distance``."""
    return int(np.unpackbits(np.atleast_1d(one ^ other).view(np.uint8)).sum())


@overload(_distance)
def _compiled_distance(one, other):  # noqa: ARG001 - numba prescribes the signature
    def between_words(one, other):
        return _popcount(one ^ other)

    def between_codes(one, other):
        distance = np.uint64(0)
        for word in range(len(one)):
            distance += _popcount(one[word] ^ other[word])
        return distance

    return between_words if isinstance(one, types.Integer) else between_codes


@_compile
def _count(counts, queries, database, bounds, relevance):
    for row in range(len(queries)):
        for label in range(len(bounds) - 1):
            histogram, items = counts[row, relevance[row, label]], database[bounds[label] : bounds[label + 1]]
            if database.shape[1] == 1:
                _tally(histogram, queries[row, 0], items.reshape(-1))
            else:
                _tally(histogram, queries[row], items)


@_compile
def _tally(histogram, query, database):
    for item in range(len(database)):
        histogram[_distance(query, database[item])] += 1


@_compile
def _add_in_order(seen, found, precisions, hits, leave_out, topk, queries, database, labels, relevance):
    for row in range(len(queries)):
        gap = leave_out[row] if 0 <= leave_out[row] < len(database) else len(database)
        for part in (slice(0, gap), slice(gap + 1, len(database))):
            items, state = database[part], (seen[row], found[row], topk, labels[part], relevance[row])
            if database.shape[1] == 1:
                total, number = _add_precisions(queries[row, 0], items.reshape(-1), *state)
            else:
                total, number = _add_precisions(queries[row], items, *state)
            precisions[row] += total
            hits[row] += number


@_compile
def _add_precisions(query, database, seen, found, topk, labels, relevance):
    total, number = 0.0, 0
    for item in range(len(database)):
        distance = _distance(query, database[item])
        seen[distance] += 1
        if relevance[labels[item]]:
            found[distance] += 1
            if seen[distance] <= topk:
                total += found[distance] / seen[distance]
                number += 1
    return total, number


@_compile
def popcount_pass(counts, queries, database):
    """Nothing but distances and their histogram: int64 (Q, 65) from uint64 (Q,) and (N,); what speed is measured by."""
    for row in range(len(queries)):
        _tally(counts[row], queries[row], database)
