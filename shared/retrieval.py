"""Retrieval score of binary codes: mean average precision by Hamming distance, exact under ties.

Items at one distance are tied, and the published codes leave their order to the sort routine. Here a query's
ranking enters only as two counts per distance, items and relevant items, so no order of the database can matter:
``map_expected`` is the mean over all orders within ties, ``map_best`` and ``map_worst`` are the extremes.
"""

from dataclasses import dataclass

import numpy as np

from shared.errors import UserError

_QUERIES_AT_ONCE = 64


@dataclass(frozen=True)
class Retrieval:
    """Scores in [0, 1] over all queries; a query without any relevant item counts as 0 (and is counted).

    ``ap_expected``, ``ap_best`` and ``ap_worst`` are float64 (queries,).
    """

    map_expected: float
    map_best: float
    map_worst: float
    ap_expected: np.ndarray
    ap_best: np.ndarray
    ap_worst: np.ndarray
    queries_without_relevant: int

    def summary(self) -> dict[str, float]:
        """The three means, as they stand in logs and results."""
        return {"expected": self.map_expected, "best": self.map_best, "worst": self.map_worst}


def pack_codes(bits: np.ndarray) -> np.ndarray:
    """Pack bool (N, bits) into uint64 (N, ceil(bits/64)), bit 0 lowest."""
    packed = np.packbits(np.asarray(bits, bool), axis=1, bitorder="little")
    padded = np.zeros((len(packed), -(-bits.shape[1] // 64) * 8), np.uint8)
    padded[:, : packed.shape[1]] = packed
    return padded.view("<u8").astype(np.uint64)


def unpack_codes(words: np.ndarray, bits: int) -> np.ndarray:
    """The inverse of ``pack_codes``: bool (N, bits)."""
    octets = np.ascontiguousarray(words.astype("<u8")).view(np.uint8)
    return np.unpackbits(octets, axis=1, count=bits, bitorder="little").astype(bool)


def evaluate(
    query_codes: np.ndarray, query_labels: np.ndarray, database_codes: np.ndarray, database_labels: np.ndarray
) -> Retrieval:
    """Score bool codes (queries, bits) against bool codes (items, bits); labels are class ids, int (N,).

    An item is relevant if its label equals the query's. Raises UserError for empty or mismatched arrays.
    """
    _check(query_codes, query_labels, "query")
    _check(database_codes, database_labels, "database")
    if query_codes.shape[1] != database_codes.shape[1]:
        raise UserError(f"codes: expected one bit count, received {query_codes.shape[1]} and {database_codes.shape[1]}")
    items, relevant = distance_counts(query_codes, query_labels, database_codes, database_labels)
    expected, best, worst = average_precision(items, relevant)
    without = int((relevant.sum(axis=1) == 0).sum())
    means = (float(ap.mean()) for ap in (expected, best, worst))
    return Retrieval(*means, expected, best, worst, without)


def distance_counts(
    query_codes: np.ndarray, query_labels: np.ndarray, database_codes: np.ndarray, database_labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Items and relevant items at each Hamming distance: two int64 arrays (queries, bits + 1)."""
    bits = query_codes.shape[1]
    # bits as +-1: distance = (bits - dot) / 2, and sums of up to 2**24 units are exact in float32
    queries = query_codes.astype(np.float32) * 2 - 1
    database = np.ascontiguousarray((database_codes.astype(np.float32) * 2 - 1).T)
    items = np.empty((len(queries), bits + 1), np.int64)
    relevant = np.empty_like(items)
    for start in range(0, len(queries), _QUERIES_AT_ONCE):
        rows = slice(start, start + _QUERIES_AT_ONCE)
        distances = ((bits - queries[rows] @ database) / 2).astype(np.int64)
        for row, distance in enumerate(distances, start):
            items[row] = np.bincount(distance, minlength=bits + 1)
            relevant[row] = np.bincount(distance[database_labels == query_labels[row]], minlength=bits + 1)
    return items, relevant


def average_precision(items: np.ndarray, relevant: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Expected, best and worst average precision, float64 (queries,), from counts per distance (queries, bits + 1).

    With N items and R relevant ones before a tie group of n items, r of them relevant, and H the harmonic numbers,
    the expected sum of precisions in the group is (r/n) * ((R + 1 - p(N + 1)) * (H[N+n] - H[N]) + p*n) with
    p = (r-1)/(n-1) (McSherry and Najork, ECIR 2008, in harmonic form); best and worst put the relevant items
    first or last in the group.
    """
    n, r = items.astype(np.float64), relevant.astype(np.float64)
    before = np.cumsum(items, axis=1) - items
    seen, found = before.astype(np.float64), np.cumsum(r, axis=1) - r
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, items.sum(axis=1).max() + 1))])
    later = np.maximum(n - r, 0)

    slope = (r - 1) / np.maximum(n - 1, 1)
    group_sum = (found + 1 - slope * (seen + 1)) * (harmonic[before + items] - harmonic[before]) + slope * n
    expected = np.where(r > 0, r / np.maximum(n, 1) * group_sum, 0.0)
    best = r - (seen - found) * (harmonic[before + relevant] - harmonic[before])
    span = harmonic[before + items] - harmonic[before + items - relevant]
    worst = r - (seen + later - found) * span

    total = np.maximum(r.sum(axis=1), 1)
    return expected.sum(axis=1) / total, best.sum(axis=1) / total, worst.sum(axis=1) / total


def _check(codes: np.ndarray, labels: np.ndarray, name: str) -> None:
    if codes.dtype != bool or codes.ndim != 2 or 0 in codes.shape:
        raise UserError(f"{name} codes: expected non-empty bool (N, bits), received {codes.dtype} {codes.shape}")
    if labels.shape != (len(codes),):
        raise UserError(f"{name} labels: expected shape ({len(codes)},), received {labels.shape}")
