"""Metrics of a run's codes: ranking curve, balance and correlation of bits, nearest items."""

from typing import NamedTuple

import numpy as np

from shared.codes.codes import Codes
from shared.codes.packing import unpack_codes
from shared.scoring.code_quality import CodeQuality, Projection, code_quality, entropy, off_diagonal
from shared.scoring.code_scores import score_of
from shared.scoring.curves import PrecisionRecall
from shared.system.errors import UserError

_DRAWN_RANKS = 300
# significant ones of what is drawn, more than a figure shows
_DIGITS = 6
NEAREST = 10
# a row of the retrieval grid each
_MOST_CLASSES = 12
_ARRAYS = ("ranks", "balance", "correlation")
# of the quality, what older versions did not save
_LATER = ("items", "classes", "distinct", "within", "between", "quantization_error")


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
    ``quality`` is that of the items; None where an older version saved the metrics, which has balance and correlation
    alone. Precision, recall, balance and correlation have six significant digits.
    """

    ranks: np.ndarray
    by_rank: PrecisionRecall
    balance: np.ndarray
    correlation: np.ndarray
    margin: float
    zeros: int
    rankings: list[Ranking]
    quality: CodeQuality | None = None

    @property
    def entropy(self) -> np.ndarray:
        """Of every bit, (bits,)."""
        return entropy(self.balance)

    @property
    def off_diagonal(self) -> np.ndarray:
        """Absolute correlations of different bits, (bits * (bits - 1) / 2,)."""
        return off_diagonal(self.correlation)


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
    _, _, items, labels = codes.sides()
    quality = code_quality(items, codes.bits, labels, codes.margin[codes.num_queries :])
    quality = quality._replace(balance=_rounded(quality.balance), correlation=_rounded(quality.correlation))
    ranks = np.unique(np.geomspace(1, len(items), _DRAWN_RANKS).round().astype(np.int64))
    return CodeMetrics(
        ranks,
        PrecisionRecall(*map(_rounded, score_of(codes).rank_curve_at(ranks))),
        quality.balance,
        quality.correlation,
        float(np.median(codes.margin)),
        codes.zeros,
        _rankings(codes),
        quality,
    )


def agreement(first: Codes, *others: Codes) -> float | None:
    """The share of code bits that are the same in all; None for codes of other images or another length."""
    try:
        differing = [first.differing_bits(other) for other in others]
    except UserError:
        return None
    return float((~np.any(differing, axis=0)).mean())


def metrics_as_json(metrics: CodeMetrics) -> dict:
    """The metrics as lists and numbers, as they are; without the quality where it is not known."""
    arrays = {name: getattr(metrics, name).tolist() for name in _ARRAYS}
    values = metrics._asdict() | arrays | {"by_rank": _as_lists(metrics.by_rank)}
    del values["quality"]
    if metrics.quality is None:
        return values
    # balance and correlation stand beside it
    later = {name: getattr(metrics.quality, name) for name in _LATER}
    return values | {"quality": later | {"projection": _as_lists(metrics.quality.projection)}}


def metrics_from_json(values: dict) -> CodeMetrics:
    """The reverse of ``metrics_as_json``."""
    arrays = {name: np.array(values[name]) for name in _ARRAYS}
    by_rank = PrecisionRecall(**_as_arrays(values["by_rank"]))
    rankings = [Ranking(index, label, [Hit(*hit) for hit in hits]) for index, label, hits in values["rankings"]]
    quality = values["quality"]
    if quality is not None:
        both = {name: arrays[name] for name in ("balance", "correlation")}
        quality = CodeQuality(**quality | both | {"projection": Projection(**_as_arrays(quality["projection"]))})
    return CodeMetrics(**values | arrays | {"by_rank": by_rank, "rankings": rankings, "quality": quality})


def _rounded(values: np.ndarray) -> np.ndarray:
    """To ``_DIGITS`` significant digits."""
    return np.array([float(f"{value:.{_DIGITS}g}") for value in values.flat]).reshape(values.shape)


def _as_lists(arrays: NamedTuple) -> dict[str, list]:
    return {name: array.tolist() for name, array in arrays._asdict().items()}


def _as_arrays(lists: dict[str, list]) -> dict[str, np.ndarray]:
    return {name: np.array(values) for name, values in lists.items()}


def _rankings(codes: Codes) -> list[Ranking]:
    """Items at one distance are in database order."""
    bits = unpack_codes(codes.codes, codes.bits)
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
