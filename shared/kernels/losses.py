"""The terms of the loss, each with its gradient: computed in float64, and every result rounded once."""

from typing import NamedTuple

import numpy as np


class Term(NamedTuple):
    """``value`` float32 (), and its ``gradient`` float32 with the shape of what it was computed from."""

    value: np.ndarray
    gradient: np.ndarray


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> Term:
    """Mean over the batch of log(sum of exp(z)) - z[label]; ``logits`` z float32 (B, classes), ``labels`` int64 (B,).

    Its gradient is (exp(z) / sum of exp(z) - 1 at the label) / B; the largest logit is taken off first. Sums are in
    NumPy's order.
    """
    rows = np.arange(len(labels))
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    sums = exponentials.sum(axis=1)
    value = (np.log(sums) - shifted[rows, labels]).mean()
    gradient = exponentials / sums[:, None]
    gradient[rows, labels] -= 1
    return _rounded(value, gradient / len(labels))


def penalty(hash_logits: np.ndarray) -> Term:
    """Mean of | |h| - 1 |^3 over ``hash_logits`` h float32 (B, bits), in NumPy's order of summation.

    Its gradient is 3 * (|h| - 1) * | |h| - 1 | * sign(h) / (B * bits), which is 0 where h is.
    """
    h = hash_logits.astype(np.float64)
    excess = np.abs(h) - 1
    distance = np.abs(excess)
    return _rounded((distance**3).mean(), 3 * excess * distance * np.sign(h) / h.size)


def _rounded(value: np.floating, gradient: np.ndarray) -> Term:
    return Term(np.array(value, np.float32), gradient.astype(np.float32))
