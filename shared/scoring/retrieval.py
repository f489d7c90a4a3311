"""Retrieval scores of binary codes by Hamming distance, exact under ties.

Items at one distance are tied, and the published implementations leave their order to the sort routine. Here a query's
ranking enters as two counts per distance, items and relevant items, so no order of the database can matter:
``map_expected`` is the mean over all orders within ties, ``map_best`` and ``map_worst`` are the extremes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from shared.codes.labels import checked_labels
from shared.codes.packing import pack_codes, packed_together, unpack_codes
from shared.scoring import curves
from shared.scoring.average_precision import DENOMINATORS, average_precision
from shared.scoring.counting import Side, distance_counts, stable_sums
from shared.scoring.curves import PrecisionRecall, Ties, WithinRadius
from shared.scoring.own_items import own_items
from shared.system.errors import UserError, printable

__all__ = ["Retrieval", "checked_sides", "evaluate", "pack_codes", "unpack_codes"]


@dataclass(frozen=True, eq=False)
class Retrieval:
    """Scores in [0, 1]; a query without any relevant item counts as 0 in every mean (and is counted).

    ``ap_*`` are float64 (queries,): over all orders within ties the mean, the best and the worst, and that of the
    ranking by distance, then position in the database (stable). ``counts`` and ``relevant`` are int64
    (queries, bits + 1), the counts at each distance that all other scores are made of. ``topk`` and ``denominator``
    concern the average precisions alone.
    """

    topk: int | None
    denominator: str
    ap_expected: np.ndarray
    ap_best: np.ndarray
    ap_worst: np.ndarray
    ap_stable: np.ndarray
    counts: np.ndarray
    relevant: np.ndarray

    @property
    def map_expected(self) -> float:
        """The headline score."""
        return float(self.ap_expected.mean())

    @property
    def map_best(self) -> float:
        return float(self.ap_best.mean())

    @property
    def map_worst(self) -> float:
        return float(self.ap_worst.mean())

    @property
    def map_stable(self) -> float:
        return float(self.ap_stable.mean())

    @property
    def queries_without_relevant(self) -> int:
        """How many queries have nothing to find."""
        return int((self.relevant.sum(axis=1) == 0).sum())

    @cached_property
    def radius_curve(self) -> PrecisionRecall:
        """Precision and recall within each Hamming radius, (bits + 1,) each."""
        return curves.radius_curve(self.counts, self.relevant)

    @cached_property
    def rank_curve(self) -> PrecisionRecall:
        """Expected precision and recall after every rank, (items,) each."""
        return self.rank_curve_at(np.arange(1, self.counts.sum(axis=1).max() + 1))

    def rank_curve_at(self, ranks: np.ndarray) -> PrecisionRecall:
        """Expected precision and recall after these ranks, counted from 1."""
        return curves.rank_curve(self.counts, self.relevant, ranks)

    @cached_property
    def eleven_points(self) -> np.ndarray:
        """Interpolated precision at recall 0, 0.1, ... 1."""
        return curves.eleven_points(self.counts, self.relevant)

    @cached_property
    def precision_at(self) -> dict[int, float]:
        """Expected precision of the first 1, 5, 10, 50, ... items."""
        ranks = curves.ranks_to_report(int(self.counts.sum(axis=1).max()))
        return dict(zip(ranks, curves.precision_at(self.counts, self.relevant, ranks), strict=True))

    @cached_property
    def within_radius_2(self) -> WithinRadius:
        """Precision, recall and F1 of the items within Hamming distance 2."""
        return curves.within_radius(self.counts, self.relevant, 2)

    @cached_property
    def ties(self) -> Ties:
        """How much of the rankings is tied."""
        return curves.ties(self.counts, self.relevant)

    def summary(self) -> dict[str, float]:
        """The means of the average precisions, as they stand in logs and results."""
        return {
            "expected": self.map_expected,
            "best": self.map_best,
            "worst": self.map_worst,
            "stable": self.map_stable,
        }

    def other_scores(self) -> dict[str, object]:
        """Everything else but the rank curve, as plain numbers and lists for JSON."""
        return {
            "queries": len(self.counts),
            "items": int(self.counts.sum(axis=1).max()),
            "bits": self.counts.shape[1] - 1,
            "queries_without_relevant": self.queries_without_relevant,
            "precision_at": {str(rank): value for rank, value in self.precision_at.items()},
            "within_radius_2": self.within_radius_2._asdict(),
            "eleven_points": self.eleven_points.tolist(),
            "radius_curve": {name: values.tolist() for name, values in self.radius_curve._asdict().items()},
            "ties": self.ties._asdict(),
        }


def evaluate(
    query_codes: np.ndarray,
    query_labels: np.ndarray,
    database_codes: np.ndarray,
    database_labels: np.ndarray,
    *,
    topk: int | None = None,
    denominator: str = "found",
    exclude_self: np.ndarray | bool | None = None,
    bits: int | None = None,
    zeros: str = "refuse",
    progress: Callable[[int, int], None] | None = None,
) -> Retrieval:
    """Rank the database for every query and score the rankings.

    Codes: (N, bits) of -1 and +1, of 0 and 1, or bool; or with ``bits`` uint64 words from ``pack_codes``, or uint8
    bytes from ``np.packbits`` or faiss; 1 to 4096 bits. ``zeros`` "negative" takes exact zeros among -1 and +1 for -1.
    Labels: class ids from 0 on (N,), where equal is relevant; or multi-hot (N, classes) of 0 and 1, where sharing a
    class is. The database may be memory-mapped.

    ``topk`` counts the first k items only; ``denominator`` divides the sum of precisions by the relevant items "found"
    there (DeepHash's definition), by "all", or by "min" of all and k. ``exclude_self``: each query's own position in
    the database, int (queries,), -1 for none, left out of its ranking; True: query i is item i, which is refused unless
    they agree in code and label.
    ``progress`` is called with finished and all query-item pairs, each pair twice.

    Raises UserError for anything else.
    """
    _check_choices(topk, denominator)
    queries, database, bits = checked_sides(query_codes, query_labels, database_codes, database_labels, bits, zeros)
    leave_out = own_items(queries, database, exclude_self)
    advance = _counter(progress, 2 * len(queries.words) * len(database.words))
    items, relevant = distance_counts(queries, database, bits, leave_out, advance)
    last = min(topk or len(database.words), len(database.words))
    scores = average_precision(items, relevant, topk and last, denominator)
    sums = stable_sums(queries, database, items, relevant, last, leave_out, advance)
    total = relevant.sum(axis=1)
    divisors = {"found": sums.hits, "all": total, "min": np.minimum(total, last)}
    stable = sums.precisions / np.maximum(divisors[denominator], 1)
    return Retrieval(topk, denominator, *scores, stable, items, relevant)


def checked_sides(
    query_codes: np.ndarray,
    query_labels: np.ndarray,
    database_codes: np.ndarray,
    database_labels: np.ndarray,
    bits: int | None = None,
    zeros: str = "refuse",
) -> tuple[Side, Side, int]:
    """Queries, database and number of bits as ``distance_counts`` takes them; UserError if they do not fit together."""
    sides = {"query": np.asanyarray(query_codes), "database": np.asanyarray(database_codes)}
    packed = packed_together(sides, bits, zeros)
    (query_words, query_bits), (words, database_bits) = packed["query"], packed["database"]
    queries = Side(query_words, checked_labels(query_labels, sides["query"].shape, "query"))
    database = Side(words, checked_labels(database_labels, sides["database"].shape, "database"))
    if query_bits != database_bits:
        received = f"{query_bits} for queries, {database_bits} for items"
        raise UserError(f"codes: expected one bit count, received {received}; --bits N says how long packed codes are")
    if queries.labels.shape[1:] != database.labels.shape[1:]:
        shapes = f"{queries.labels.shape} for queries, {database.labels.shape} for items"
        raise UserError(
            f"labels: expected class ids for both, or as many classes for both, received {shapes}; "
            "one-hot rows become ids by labels.argmax(axis=1)"
        )
    return queries, database, query_bits


def _check_choices(topk: int | None, denominator: str) -> None:
    if denominator not in DENOMINATORS:
        raise UserError(f"denominator: expected one of {', '.join(DENOMINATORS)}, received {denominator!r}")
    if topk is not None and (not isinstance(topk, (int, np.integer)) or topk < 1):
        raise UserError(
            f"topk: expected a whole number from 1 on, or none for the whole ranking, received {printable(topk)}"
        )


def _counter(progress: Callable[[int, int], None] | None, total: int) -> Callable[[int], None] | None:
    if progress is None:
        return None
    done = 0

    def advance(pairs: int) -> None:
        nonlocal done
        done += pairs
        progress(done, total)

    return advance
