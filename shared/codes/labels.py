"""Labels of any accepted form, checked: class ids, or multi-hot rows."""

import math

import numpy as np

from shared.system.errors import UserError, printable


def checked_labels(labels: np.ndarray, codes_shape: tuple[int, int], name: str) -> np.ndarray:
    """Class ids (N,) or multi-hot rows (N, classes), of any numeric type, for codes of shape (N, bits).

    Ids are whole numbers from 0 on, a single column or row of them is one dimension; rows are of 0 and 1. Raises
    UserError, which begins with ``name``, for anything else.
    """
    labels = _one_dimension(np.asanyarray(labels), codes_shape[0])
    if labels.dtype.kind not in "biuf":
        raise UserError(
            f"{name} labels: expected numbers, class ids or multi-hot rows, received {printable(labels.dtype, 80)}; "
            "number the classes, those of both sides together: np.unique(labels, return_inverse=True)"
        )
    if labels.ndim not in (1, 2) or len(labels) != codes_shape[0] or 0 in labels.shape:
        raise UserError(f"{name} labels: {_other_shape(labels.shape, codes_shape)}")
    if labels.ndim == 2:
        if not ((labels == 0) | (labels == 1)).all():
            raise UserError(f"{name} labels: expected multi-hot rows of 0 and 1, received other values")
        return labels
    _check_ids(labels, name)
    return labels


def number_of_classes(labels: np.ndarray) -> int:
    """How many classes occur in class ids (N,) or multi-hot rows (N, classes).

    >>> number_of_classes(np.array([0, 7, 7])), number_of_classes(np.array([[1, 1, 0], [0, 1, 0]]))
    (2, 2)
    """
    return len(np.unique(labels)) if labels.ndim == 1 else int((labels != 0).any(axis=0).sum())


def _one_dimension(labels: np.ndarray, count: int) -> np.ndarray:
    if labels.ndim == 2 and labels.shape[1] == 1:
        return labels[:, 0]
    # as MATLAB keeps a vector; codes of one item have multi-hot rows of this shape
    return labels[0] if labels.shape == (1, count) and count > 1 else labels


def _other_shape(labels: tuple[int, ...], codes: tuple[int, int]) -> str:
    count, bits = codes
    expected = f"expected ({count},) or ({count}, classes), received {labels}"
    if len(labels) == 2 and labels[1] == count:
        return f"{expected}; they look transposed: pass labels.T"
    if math.prod(labels) == bits:
        return f"{expected}; the codes {codes} look transposed: pass codes.T"
    return expected


def _check_ids(labels: np.ndarray, name: str) -> None:
    if labels.dtype.kind == "f":
        wrong = labels[~(np.isfinite(labels) & (labels == np.floor(labels)))]
        if wrong.size:
            raise UserError(
                f"{name} labels: expected whole numbers, received {len(wrong)} others, such as {wrong[0]!s}"
            )
    if labels.dtype.kind in "if" and (labels < 0).any():
        raise UserError(
            f"{name} labels: expected class ids from 0 on, received {int((labels < 0).sum())} negative ones, such as "
            f"{labels[labels < 0][0]!s}; leave out what has no class, or count the classes from 0"
        )
