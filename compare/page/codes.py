"""Metrics of a run's codes: ranking curve, balance and correlation of bits, nearest items."""

from typing import NamedTuple

import numpy as np

from shared.codes.codes import Codes
from shared.codes.packing import unpack_codes
from shared.scoring.code_scores import score_of
from shared.scoring.curves import PrecisionRecall

_DRAWN_RANKS = 300
NEAREST = 10
# a row of the retrieval grid each
_MOST_CLASSES = 12
_ARRAYS = ("ranks", "balance", "correlation")


class Hit(NamedTuple):
    """One item of a ranking."""

    index: int
    label: int
    distance: int
    wrong: bool


class Ranking(NamedTuple):
    """The first items for one query."""

    index: int
    label: int
    hits: list[Hit]


class CodeMetrics(NamedTuple):
    """Of one run: ``balance`` (bits,) the share of ones among the items.

    ``ranks`` int (K,) and ``by_rank``, expected precision and recall after them, (K,) each; ``correlation``
    (bits, bits), 0 where a bit is constant; ``margin``, the median of |hash logit|, how far a bit is from flipping;
    ``rankings``, the nearest items of the first query of each class, of more than 12 classes of the first ones.
    """

    ranks: np.ndarray
    by_rank: PrecisionRecall
    balance: np.ndarray
    correlation: np.ndarray
    margin: float
    zeros: int
    rankings: list[Ranking]

    @property
    def off_diagonal(self) -> np.ndarray:
        """Absolute correlations of different bits, (bits * (bits - 1) / 2,)."""
        return np.abs(self.correlation[np.triu_indices(len(self.correlation), 1)])


class LengthMetrics(NamedTuple):
    """Of one code length: the ``seed`` shown, ``of`` framework -> metrics, ``agreement`` the share of equal bits.

    ``checkpoints``: framework -> SHA-256 of the run's checkpoint.
    """

    seed: int
    of: dict[str, CodeMetrics]
    agreement: float | None
    checkpoints: dict[str, str]


def code_metrics(codes: Codes) -> CodeMetrics:
    """All metrics that the report shows of these codes."""
    bits = unpack_codes(codes.codes, codes.bits)
    items = bits[codes.num_queries :]
    ranks = np.unique(np.geomspace(1, len(items), _DRAWN_RANKS).round().astype(np.int64))
    by_rank = score_of(codes).rank_curve_at(ranks)
    correlation, bit_margin = _correlation(items), float(np.median(codes.margin))
    nearest = _rankings(codes, bits)
    return CodeMetrics(ranks, by_rank, items.mean(axis=0), correlation, bit_margin, codes.zeros, nearest)


def agreement(first: Codes, *others: Codes) -> float | None:
    """The share of code bits that are the same in all; None for codes of other images or another length."""
    if any(first.codes.shape != o.codes.shape or not np.array_equal(first.index, o.index) for o in others):
        return None
    bits = unpack_codes(first.codes, first.bits)
    return float(np.all([bits == unpack_codes(other.codes, other.bits) for other in others], axis=0).mean())


def metrics_as_json(metrics: CodeMetrics) -> dict:
    """The metrics as lists and numbers, without rounding."""
    arrays = {name: getattr(metrics, name).tolist() for name in _ARRAYS}
    by_rank = {name: curve.tolist() for name, curve in metrics.by_rank._asdict().items()}
    return metrics._asdict() | arrays | {"by_rank": by_rank}


def metrics_from_json(values: dict) -> CodeMetrics:
    """The reverse of ``metrics_as_json``."""
    arrays = {name: np.array(values[name]) for name in _ARRAYS}
    by_rank = PrecisionRecall(**{name: np.array(curve) for name, curve in values["by_rank"].items()})
    rankings = [Ranking(index, label, [Hit(*hit) for hit in hits]) for index, label, hits in values["rankings"]]
    return CodeMetrics(**values | arrays | {"by_rank": by_rank, "rankings": rankings})


def _correlation(bits: np.ndarray) -> np.ndarray:
    centred = bits - bits.mean(axis=0)
    length = np.linalg.norm(centred, axis=0)
    unit = np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)
    return unit.T @ unit


def _rankings(codes: Codes, bits: np.ndarray) -> list[Ranking]:
    """Items at one distance are in database order."""
    _, first = np.unique(codes.labels[: codes.num_queries], return_index=True)
    return [_ranking(codes, bits, int(position)) for position in first[:_MOST_CLASSES]]


def _ranking(codes: Codes, bits: np.ndarray, position: int) -> Ranking:
    distance = (bits[codes.num_queries :] != bits[position]).sum(axis=1)
    nearest = np.argsort(distance, kind="stable")[:NEAREST]
    label = int(codes.labels[position])
    places = [(int(place) + codes.num_queries, int(distance[place])) for place in nearest]
    hits = [
        Hit(int(codes.index[p]), int(codes.labels[p]), how_far, bool(codes.labels[p] != label)) for p, how_far in places
    ]
    return Ranking(int(codes.index[position]), label, hits)
