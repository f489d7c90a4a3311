"""Which rows of an array are equal, by a compiled hash table: much faster than sorting, and it can give up early."""

from typing import NamedTuple

import numpy as np

from shared.codes.packing import pack_codes

_WHOLE_BYTES = 8  # the widest number that a word holds


class Groups(NamedTuple):
    """Equal rows, by their first appearance: ``first`` and ``sizes`` int64 (G,), and ``of_row`` uint32 (N,) < G."""

    first: np.ndarray
    sizes: np.ndarray
    of_row: np.ndarray


def group_rows(rows: np.ndarray, most: int | None = None) -> Groups | None:
    """The groups of equal rows of uint64 (N, W), N < 2**31; None as soon as there are more than ``most``."""
    from shared.scoring.hash_table import group  # numba, which only a score needs

    most = len(rows) if most is None else most
    table = np.full(2 ** (2 * most - 1).bit_length(), -1, np.int32)  # at most half full
    first, sizes = np.empty((2, most), np.int64)
    of_row = np.empty(len(rows), np.uint32)
    count = group(np.ascontiguousarray(rows), table, first, sizes, of_row)
    if count < 0:
        return None
    return Groups(first[:count].copy(), sizes[:count].copy(), of_row)  # without what was reserved for more


def group_values(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``np.unique(values, return_inverse=True)`` of int64 (N,) from 0 on: the different ones, sorted, and places."""
    groups = group_rows(values.astype(np.uint64)[:, None])
    order = np.argsort(values[groups.first])
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return values[groups.first][order], place[groups.of_row]


def label_words(labels: np.ndarray) -> np.ndarray:
    """Words, uint64 (N, W), that are equal where labels are: class ids (N,), or multi-hot rows (N, classes)."""
    if labels.ndim == 2:
        return pack_codes(labels != 0)
    if labels.dtype.itemsize > _WHOLE_BYTES:
        labels = np.unique(labels, return_inverse=True)[1]
    if labels.dtype.kind == "f":
        labels = (labels.astype(np.float64) + 0.0).view(np.int64)  # -0.0 + 0.0 is 0.0, to which it is equal
    return labels.astype(np.uint64)[:, None]
