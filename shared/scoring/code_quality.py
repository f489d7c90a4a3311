"""What codes look like: balance and correlation of their bits, distinct codes, distances by class, a picture's points.

Everything comes from whole-number counts over packed codes, some at a time, so it depends on no order of the items
but for the choice of the points that are shown.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from shared.codes.codes import collapse_text, distinct_codes
from shared.codes.labels import number_of_classes
from shared.codes.packing import unpack_codes
from shared.readers.mapped import blocks

# of a block of unpacked bits; products of so many ones are exact in float32
_BITS_AT_ONCE = 2**22
_CLASSES_AT_ONCE = 512
# points of a picture: of one class, and of all together
_SHOWN_OF_CLASS, _SHOWN = 100, 2000
_SAME = 1e-6
_DIGITS = 4
PICTURE_RULE = (
    "PCA of the database's codes as -1 and +1 (NumPy's SVD; the largest weight of each component is positive); the "
    "first items of each class"
)
QUANTIZATION_RULE = "mean of (|hash logit| - 1)^2 over the database's bits"


class Projection(NamedTuple):
    """Codes on the first two principal components of all codes as -1 and +1, with the share of variance of each.

    ``points`` float64 (K, 2), to four decimals; ``labels`` are their class ids (K,) or multi-hot rows (K, classes), and
    ``items`` int64 (K,) says how many of the items shown have this place and label. ``explained`` float64 (2,).
    """

    points: np.ndarray
    labels: np.ndarray
    items: np.ndarray
    explained: np.ndarray


class CodeQuality(NamedTuple):
    """Of N codes: ``balance`` float64 (bits,) is the share of ones, ``correlation`` (bits, bits) 0 at a constant bit.

    ``within`` and ``between`` are mean Hamming distances over all pairs of different items that have a class in common,
    and that have none; None where there is no such pair. ``quantization_error`` is None without hash logits, and
    ``projection`` where no picture was wanted.
    """

    items: int
    classes: int
    distinct: int
    balance: np.ndarray
    correlation: np.ndarray
    within: float | None
    between: float | None
    quantization_error: float | None
    projection: Projection | None

    @property
    def warning(self) -> str:
        """A warning where the codes tell the classes apart badly or not at all, else ""."""
        return collapse_text(self.items, self.distinct, self.classes)

    @property
    def pair_correlation(self) -> dict[str, float] | None:
        """Of two different bits the mean and the largest absolute correlation; None for one bit."""
        pairs = off_diagonal(self.correlation)
        return {"mean": float(pairs.mean()), "largest": float(pairs.max())} if len(pairs) else None

    def summary(self) -> dict[str, object]:
        """Everything but the picture's points, as plain numbers and lists for JSON."""
        names = ("items", "classes", "distinct", "within", "between", "quantization_error")
        return {
            **{name: getattr(self, name) for name in names},
            "warning": self.warning,
            "balance": self.balance.tolist(),
            "entropy": entropy(self.balance).tolist(),
            "correlation": self.pair_correlation,
        }


def code_quality(
    words: np.ndarray, bits: int, labels: np.ndarray, bit_margin: np.ndarray | None = None, picture: bool = True
) -> CodeQuality:
    """The quality of packed codes, uint64 (N, ceil(bits/64)), N > 0.

    ``labels`` are class ids (N,) or multi-hot rows (N, classes); ``bit_margin`` (N, bits) is |hash logit|. The points
    of the ``picture`` take time with the cube of the number of bits, seconds at thousands of them.
    """
    unique, group = np.unique(labels, axis=0, return_inverse=True)
    group = group.reshape(-1)
    together, ones, sizes = _counts(words, bits, group, len(unique))
    within, between = _distances(ones, sizes, unique)
    balance, covariance = np.diag(together) / len(words), _covariance(together, len(words))
    return CodeQuality(
        items=len(words),
        classes=number_of_classes(labels),
        distinct=distinct_codes(words),
        balance=balance,
        correlation=_correlation(covariance),
        within=within,
        between=between,
        quantization_error=None if bit_margin is None else _quantization_error(bit_margin),
        projection=_projection(words, group, unique, balance, covariance) if picture else None,
    )


def entropy(balance: np.ndarray) -> np.ndarray:
    """Of bits that are 1 with these probabilities, (bits,): from 0, constant, to 1, balanced.

    >>> entropy(np.array([0.0, 0.5, 1.0])).tolist()
    [0.0, 1.0, 0.0]
    """
    both = np.stack([balance, 1 - balance])
    logarithms = np.log2(both, out=np.zeros_like(both), where=both > 0)
    return np.abs((both * logarithms).sum(axis=0))


def off_diagonal(correlation: np.ndarray) -> np.ndarray:
    """Absolute correlations of different bits, (bits * (bits - 1) / 2,)."""
    return np.abs(correlation[np.triu_indices(len(correlation), 1)])


def _counts(words: np.ndarray, bits: int, group: np.ndarray, groups: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How often two bits are both 1, (bits, bits), how often a bit is 1 in a group, (groups, bits), and their sizes."""
    together, ones = np.zeros((bits, bits), np.int64), np.zeros((groups, bits), np.int64)
    start = 0
    for block in _unpacked(words, bits):
        values, of = block.astype(np.float32), group[start : start + len(block)]
        together += (values.T @ values).astype(np.int64)
        order = np.argsort(of, kind="stable")
        first = np.flatnonzero(np.diff(of[order], prepend=-1))
        ones[of[order][first]] += np.add.reduceat(block[order], first, axis=0, dtype=np.int64)
        start += len(block)
    return together, ones, np.bincount(group, minlength=groups)


def _unpacked(words: np.ndarray, bits: int) -> Iterator[np.ndarray]:
    """The bits of some codes at a time, bool (N, bits) together."""
    rows = max(1, _BITS_AT_ONCE // bits)
    for block in blocks(words):
        for start in range(0, len(block), rows):
            yield unpack_codes(block[start : start + rows], bits)


def _distances(ones: np.ndarray, sizes: np.ndarray, unique: np.ndarray) -> tuple[float | None, float | None]:
    """Means over the pairs that share a class and over the others, each pair of items counted in both orders."""
    ones, sizes = ones.astype(np.float64), sizes.astype(np.float64)
    zeros = sizes[:, None] - ones
    totals, pairs = np.zeros(2), np.zeros(2)
    for start in range(0, len(sizes), _CLASSES_AT_ONCE):
        rows = slice(start, start + _CLASSES_AT_ONCE)
        distance = ones[rows] @ zeros.T + zeros[rows] @ ones.T
        count = np.outer(sizes[rows], sizes)
        own = np.arange(len(distance))
        count[own, start + own] -= sizes[rows]  # an item is no pair with itself
        shared = _share(unique[rows], unique)
        for place, chosen in enumerate((shared, ~shared)):
            totals[place] += distance[chosen].sum()
            pairs[place] += count[chosen].sum()
    within, between = (float(total / count) if count else None for total, count in zip(totals, pairs, strict=True))
    return within, between


def _share(some: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Whether two labels have a class in common, bool (some, labels)."""
    if labels.ndim == 1:
        return some[:, None] == labels
    return some.astype(np.float32) @ labels.T.astype(np.float32) > 0


def _covariance(together: np.ndarray, items: int) -> np.ndarray:
    """Of bits as 0 and 1, (bits, bits): exact up to the last division."""
    ones = np.diag(together).astype(np.float64)
    return (items * together.astype(np.float64) - np.outer(ones, ones)) / items**2


def _correlation(covariance: np.ndarray) -> np.ndarray:
    deviation = np.sqrt(np.diag(covariance))
    scale = np.outer(deviation, deviation)
    return np.clip(np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 0), -1, 1)


def _quantization_error(bit_margin: np.ndarray) -> float:
    total = sum(float(((block.astype(np.float64) - 1) ** 2).sum()) for block in blocks(bit_margin))
    return total / bit_margin.size


def _projection(
    words: np.ndarray, group: np.ndarray, unique: np.ndarray, balance: np.ndarray, covariance: np.ndarray
) -> Projection:
    components, explained = _components(covariance)
    shown = _first_of_each(group, len(unique))
    # of -1 and +1, whose mean is 2 * balance - 1
    points = 2 * (unpack_codes(words[shown], len(balance)) - balance) @ components.T
    rows = np.column_stack([points.round(_DIGITS) + 0.0, group[shown]])  # + 0.0: no -0.0
    places, items = np.unique(rows, axis=0, return_counts=True)
    return Projection(places[:, :2], unique[places[:, 2].astype(np.int64)], items, explained)


def _components(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first two principal components, (2, bits), and their shares of the variance; zeros where there is none."""
    _, variances, rows = np.linalg.svd(covariance, hermitian=True)
    components, explained = np.zeros((2, len(covariance))), np.zeros(2)
    if not variances[0] > 0:
        return components, explained
    for place, (variance, row) in enumerate(zip(variances[:2], rows[:2], strict=True)):
        if variance > _SAME * variances[0]:
            size = np.abs(row)
            components[place] = row * np.sign(row[np.argmax(size > (1 - _SAME) * size.max())])
            explained[place] = variance / variances.sum()
    return components, explained


def _first_of_each(group: np.ndarray, groups: int) -> np.ndarray:
    """Positions of the first items of each group, in order."""
    most = max(1, min(_SHOWN_OF_CLASS, _SHOWN // groups))
    order = np.argsort(group, kind="stable")
    sizes = np.bincount(group, minlength=groups)
    rank = np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(order[rank < most])[:_SHOWN]
