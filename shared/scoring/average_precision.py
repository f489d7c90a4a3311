"""Average precision of rankings with ties, from counts per distance: expected, best and worst over all tie orders.

A tie group has ``n`` items, ``r`` of them relevant; before it are ``ranked`` items, ``hits`` of them relevant.
H are the harmonic numbers. The expectation is McSherry and Najork's (Computing information retrieval performance
measures efficiently in the presence of tied scores, ECIR 2008), rearranged into harmonic form.
"""

from typing import NamedTuple

import numpy as np
import scipy

from shared.scoring.grouping import group_rows

DENOMINATORS = ("found", "all", "min")
_CELLS_AT_ONCE = 2**20


class AveragePrecision(NamedTuple):
    """Over all orders within ties: mean and extremes, each float64 (queries,), 0 for a query with nothing relevant."""

    expected: np.ndarray
    best: np.ndarray
    worst: np.ndarray


def average_precision(
    items: np.ndarray, relevant: np.ndarray, topk: int | None = None, denominator: str = "found"
) -> AveragePrecision:
    """Average precision of the first ``topk`` items (None: all) from counts per distance, int (queries, bits + 1).

    The sum of the precisions at the relevant items is divided by the number of relevant items "found" in the top k
    (DeepHash's definition), of "all" relevant items, or by the "min" of that and k. Without ``topk`` all are the same.
    """
    rows = max(1, _CELLS_AT_ONCE // items.shape[1])
    parts = [slice(start, start + rows) for start in range(0, len(items), rows)]
    scores = [_some_queries(items[part], relevant[part], topk, denominator) for part in parts]
    return AveragePrecision(*map(np.concatenate, zip(*scores, strict=True)))


def _some_queries(items: np.ndarray, relevant: np.ndarray, topk: int | None, denominator: str) -> AveragePrecision:
    # queries of one code and label have the same counts
    groups = group_rows(np.concatenate([items, relevant], axis=1, dtype=np.uint64, casting="unsafe"))
    scores = _different_queries(items[groups.first], relevant[groups.first], topk, denominator)
    return AveragePrecision(*(score[groups.of_row] for score in scores))


def _different_queries(items: np.ndarray, relevant: np.ndarray, topk: int | None, denominator: str) -> AveragePrecision:
    sums = _group_sums(items, relevant)
    total = relevant.sum(axis=1)
    if topk is None:
        return AveragePrecision(*(group_sum.sum(axis=1) / np.maximum(total, 1) for group_sum in sums))
    cuts = _cuts(items, relevant, sums, topk)
    if denominator == "found":
        return AveragePrecision(*np.array([_at_cut_by_found(cut) for cut in cuts]).T)
    divisors = np.maximum(total if denominator == "all" else np.minimum(total, topk), 1)
    return AveragePrecision(*(np.array([_at_cut(cut) for cut in cuts]) / divisors[:, None]).T)


def _group_sums(items: np.ndarray, relevant: np.ndarray) -> AveragePrecision:
    """The sum of precisions at the relevant items of every tie group, (queries, bits + 1) each."""
    ranked, hits = (np.cumsum(count, axis=1) - count for count in (items, relevant))
    # the groups follow one another, so their harmonic numbers are differences of one row
    harmonic = _harmonic(np.concatenate([ranked, ranked[:, -1:] + items[:, -1:]], axis=1))
    return AveragePrecision(
        _expected_sum(ranked, hits, items, relevant, items, np.diff(harmonic)),
        _first_sum(ranked, hits, relevant),
        _first_sum(ranked + items - relevant, hits, relevant),
    )


def _expected_sum(
    ranked: np.ndarray, hits: np.ndarray, n: np.ndarray, r: np.ndarray, slots: np.ndarray, harmonic: np.ndarray
) -> np.ndarray:
    """The expected sum over the group's first ``slots`` places; ``harmonic`` = H[ranked + slots] - H[ranked].

    (r/n) * ((hits + 1 - p * (ranked + 1)) * harmonic + p * slots) with p = (r - 1) / (n - 1): place j is relevant with
    probability r/n, and then p * (j - 1) of the places before it are, on average.
    """
    slope = (r - 1) / np.maximum(n - 1, 1)
    inside = r / np.maximum(n, 1) * ((hits + 1 - slope * (ranked + 1)) * harmonic + slope * slots)
    return np.where(r > 0, inside, 0.0)


def _first_sum(ranked: np.ndarray, hits: np.ndarray, r: np.ndarray) -> np.ndarray:
    """The sum over i = 1..r of (hits + i) / (ranked + i): ``r`` relevant items in a row."""
    return r - (ranked - hits) * (_harmonic(ranked + r) - _harmonic(ranked))


def _harmonic(n: np.ndarray) -> np.ndarray:
    """H[n] up to a constant, which every difference loses."""
    return scipy.special.digamma(np.asarray(n) + 1.0)


class _Cut(NamedTuple):
    """The tie group of one query that the k-th place falls into, of which the first ``slots`` places count."""

    ranked: int
    hits: int
    n: int
    r: int
    slots: int
    before: AveragePrecision  # sums of precisions of the groups before it


def _cuts(items: np.ndarray, relevant: np.ndarray, sums: AveragePrecision, topk: int) -> list[_Cut]:
    through = np.cumsum(items, axis=1)
    places = np.minimum(topk, through[:, -1])
    groups = (through >= places[:, None]).argmax(axis=1)
    earlier = [np.cumsum(group_sum, axis=1) - group_sum for group_sum in sums]
    hits = np.cumsum(relevant, axis=1) - relevant
    cuts = []
    for query, group in enumerate(groups):
        n, r = int(items[query, group]), int(relevant[query, group])
        ranked = int(through[query, group]) - n
        before = AveragePrecision(*(array[query, group] for array in earlier))
        cuts.append(_Cut(ranked, int(hits[query, group]), n, r, int(places[query]) - ranked, before))
    return cuts


def _at_cut(cut: _Cut) -> tuple[float, float, float]:
    """Expected, best and worst sum of precisions in the top k."""
    most, least = min(cut.r, cut.slots), max(0, cut.slots - (cut.n - cut.r))
    harmonic = _harmonic(cut.ranked + cut.slots) - _harmonic(cut.ranked)
    return (
        cut.before.expected + float(_expected_sum(cut.ranked, cut.hits, cut.n, cut.r, cut.slots, harmonic)),
        cut.before.best + _first_sum(cut.ranked, cut.hits, most),
        cut.before.worst + _first_sum(cut.ranked + cut.slots - least, cut.hits, least),
    )


def _at_cut_by_found(cut: _Cut) -> tuple[float, float, float]:
    """Expected, best and worst average precision when the divisor is what the top k hold.

    The number h of relevant items in the cut group's slots is hypergeometric; given h the group is a whole one of
    ``slots`` items. More relevant items can lower the quotient, so the extremes are sought over every h.
    """
    most, least = min(cut.r, cut.slots), max(0, cut.slots - (cut.n - cut.r))
    h = np.arange(least, most + 1)
    divisors = np.maximum(cut.hits + h, 1)
    harmonic = _harmonic(cut.ranked + cut.slots) - _harmonic(cut.ranked)
    expected = cut.before.expected + _expected_sum(cut.ranked, cut.hits, cut.slots, h, cut.slots, harmonic)
    best = cut.before.best + _first_sum(cut.ranked, cut.hits, h)
    worst = cut.before.worst + _first_sum(cut.ranked + cut.slots - h, cut.hits, h)
    probability = _hypergeometric(cut.n, cut.r, cut.slots, h)
    return float(probability @ (expected / divisors)), (best / divisors).max(), (worst / divisors).min()


def _hypergeometric(n: int, r: int, draws: int, h: np.ndarray) -> np.ndarray:
    """Probabilities of every possible ``h`` of the r marked among n items in ``draws``, by the ratio of neighbours.

    scipy.stats.hypergeom gives the same numbers at many times the cost.
    """
    lower = h[:-1]
    ratios = (r - lower) * (draws - lower) / ((lower + 1) * (n - r - draws + lower + 1))
    logarithms = np.concatenate([[0.0], np.cumsum(np.log(ratios))])
    weights = np.exp(logarithms - logarithms.max())
    return weights / weights.sum()
