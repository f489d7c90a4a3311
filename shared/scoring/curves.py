"""Precision and recall of rankings with ties, and how much of a ranking is tied, from counts per distance.

Every function takes the counts of ``counting.distance_counts``, int64 (queries, bits + 1), and gives means
over the queries: expectations over the order within ties where the order matters, so none depends on any order.
A query without a relevant item has precision and recall 0 throughout.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from shared.scoring.grouping import group_values

_LEVELS = 10  # recall 0, 0.1, ... 1


class PrecisionRecall(NamedTuple):
    """Precision and recall, float64, one value per radius or per rank."""

    precision: np.ndarray
    recall: np.ndarray


class WithinRadius(NamedTuple):
    """Scores of what lies within a Hamming radius; f1 is the mean of the queries' own F1."""

    precision: float
    recall: float
    f1: float


class Ties(NamedTuple):
    """Means over the queries: shares of the ranking in [0, 1], and the number of different distances in it.

    ``tied``: items that share their distance with another. ``mixed``: items of tie groups that hold relevant and
    other items, the only ones whose order can move a score.
    """

    tied: float
    mixed: float
    distances: float


def radius_curve(items: np.ndarray, relevant: np.ndarray) -> PrecisionRecall:
    """Precision and recall within radius 0, 1, ... bits, (bits + 1,) each; where nothing is found, precision is 0."""
    precision, recall = _by_radius(items, relevant)
    return PrecisionRecall(precision.mean(axis=0), recall.mean(axis=0))


def within_radius(items: np.ndarray, relevant: np.ndarray, radius: int = 2) -> WithinRadius:
    """Scores of what a hash table that looks up all codes within ``radius`` would return."""
    inside = slice(min(radius, items.shape[1] - 1), None)
    precision, recall = (curve[:, inside][:, 0] for curve in _by_radius(items, relevant))
    f1 = _ratio(2 * precision * recall, precision + recall)
    return WithinRadius(float(precision.mean()), float(recall.mean()), float(f1.mean()))


def eleven_points(items: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Interpolated precision at recall 0, 0.1, ... 1, float64 (11,): the best precision at that recall or more.

    The points are those of ``radius_curve``, query by query: whole tie groups.
    """
    precision, _ = _by_radius(items, relevant)
    hits = np.cumsum(relevant, axis=1)
    ahead = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    # in whole numbers: recall >= level / 10
    first = [(hits * _LEVELS >= level * hits[:, -1:]).argmax(axis=1) for level in range(_LEVELS + 1)]
    return np.array([np.take_along_axis(ahead, group[:, None], axis=1).mean() for group in first])


def rank_curve(items: np.ndarray, relevant: np.ndarray, ranks: np.ndarray) -> PrecisionRecall:
    """Expected precision and recall after each of ``ranks``, int (K,), counted from 1; (K,) each.

    Inside a tie group the expected number of relevant items grows by r/n a rank, so the sum over all queries is a
    polygon, given by where its slope changes.
    """
    density = _ratio(relevant, items)
    share = _ratio(density, relevant.sum(axis=1, keepdims=True))
    after = np.cumsum(items, axis=1)
    corners, place = group_values(np.concatenate([after - items, after], axis=None))
    hits, recall = (_polygon(corners, place, slope, ranks) / len(items) for slope in (density, share))
    return PrecisionRecall(hits / ranks, recall)


def precision_at(items: np.ndarray, relevant: np.ndarray, ranks: Sequence[int]) -> list[float]:
    """Expected precision after each of ``ranks``; places beyond the end of the ranking hold nothing relevant."""
    before, density = np.cumsum(items, axis=1) - items, _ratio(relevant, items)
    hits = ((density * np.clip(rank - before, 0, items)).sum(axis=1).mean() for rank in ranks)
    return [float(expected / rank) for expected, rank in zip(hits, ranks, strict=True)]


def ranks_to_report(length: int) -> list[int]:
    """1, 5, 10, 50, 100, ... up to the length of the ranking."""
    ranks = [factor * 10**power for power in range(len(str(length))) for factor in (1, 5)]
    return [rank for rank in ranks if rank <= length]


def ties(items: np.ndarray, relevant: np.ndarray) -> Ties:
    """How much of the rankings is tied."""
    length = items.sum(axis=1)
    tied = np.where(items > 1, items, 0).sum(axis=1)
    mixed = np.where((relevant > 0) & (relevant < items), items, 0).sum(axis=1)
    return Ties(
        float(_ratio(tied, length).mean()), float(_ratio(mixed, length).mean()), float((items > 0).sum(1).mean())
    )


def _by_radius(items: np.ndarray, relevant: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    hits = np.cumsum(relevant, axis=1)
    return _ratio(hits, np.cumsum(items, axis=1)), _ratio(hits, hits[:, -1:])


def _polygon(corners: np.ndarray, place: np.ndarray, slope: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The sum, at the places ``at``, of ramps that rise by ``slope`` between two of ``corners``, which are sorted.

    ``place``: the corner at which each begins, then the corner at which each ends.
    """
    change = np.bincount(place, np.concatenate([slope, -slope], axis=None))
    heights = np.concatenate([[0.0], np.cumsum(np.cumsum(change)[:-1] * np.diff(corners))])
    return np.interp(at, corners, heights)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """The quotient, and 0 where the denominator is."""
    zero = np.zeros(np.broadcast_shapes(numerator.shape, denominator.shape))
    return np.divide(numerator, denominator, out=zero, where=np.broadcast_to(denominator != 0, zero.shape))
