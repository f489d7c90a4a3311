"""The mAP that the published implementations print: float distances, ordered by NumPy's default sort."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from shared.codes.packing import unpack_codes
from shared.scoring.counting import different_queries, relevance_of
from shared.scoring.retrieval import checked_sides
from shared.system.machine import num_threads


def map_numpy_argsort(
    query_codes: np.ndarray,
    query_labels: np.ndarray,
    database_codes: np.ndarray,
    database_labels: np.ndarray,
    *,
    topk: int | None = None,
    bits: int | None = None,
    zeros: str = "refuse",
) -> float:
    """Mean average precision by the rule of DeepHash-pytorch and paddle_greedyhash, for comparison with their numbers.

    NumPy's default sort is not stable and differs from processor to processor (AVX-512, AVX2 or neither), so among
    equal distances the order, and with it this number, depends on the hardware and on the order of the database.
    ``evaluate`` says how far ties can move it. Arguments are those of ``evaluate``, but for ``topk``: it slices the
    ranking as theirs does, so -1, which they pass for CIFAR-10, leaves out the last item; None ranks all.
    """
    queries, database, bits = checked_sides(query_codes, query_labels, database_codes, database_labels, bits, zeros)
    signs = _signs(database.words, bits)

    def score(query: int) -> float:
        distance = 0.5 * (bits - _signs(queries.words[query : query + 1], bits) @ signs.T)
        relevant = relevance_of(queries.labels[query : query + 1], database.labels)
        return _average_precision(relevant[0][np.argsort(distance[0])][:topk])

    different = different_queries(queries)
    with ThreadPoolExecutor(num_threads()) as pool:
        values = np.array(list(pool.map(score, different.first)))
    return float(values[different.of_query].mean())


def _signs(words: np.ndarray, bits: int) -> np.ndarray:
    return unpack_codes(words, bits).astype(np.float32) * 2 - 1


def _average_precision(relevant: np.ndarray) -> float:
    ranks = np.flatnonzero(relevant) + 1
    return float((np.arange(1, len(ranks) + 1) / ranks).mean()) if len(ranks) else 0.0
