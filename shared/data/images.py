"""The images of a data set as its files give them."""

from typing import NamedTuple

import numpy as np

from shared.system.errors import UserError, printable

_PLAIN = (int, float, str, bytes, list, tuple, dict, np.generic, np.ndarray)


class Images(NamedTuple):
    """``pixels`` uint8 (N, H, W, 3) and ``labels`` int64 (N,); the first ``num_train`` come from the training files.

    ``class_names`` are those of the class folders, label by label; () where the files have none. ``notes`` say what
    the user should know of the reading, a line each.
    """

    pixels: np.ndarray
    labels: np.ndarray
    num_train: int
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def as_labels(labels: object, count: int, where: str) -> np.ndarray:
    """Class numbers int64 (count,) from an array, or a list of whole numbers; UserError for anything else."""
    numbers = None
    if isinstance(labels, (list, tuple)) and len(labels) == count:
        # not through np.asarray of just anything: lists nested in lists can grow without bound
        are_whole = all(isinstance(label, (int, np.integer)) and not isinstance(label, bool) for label in labels)
        numbers = np.array(labels, np.int64) if are_whole and all(abs(int(label)) < 2**63 for label in labels) else None
    elif isinstance(labels, np.ndarray) and labels.dtype.kind in "iu" and labels.shape in ((count,), (count, 1)):
        numbers = labels.reshape(-1).astype(np.int64)
    if numbers is None:
        raise UserError(f"{where}: expected {count} integer labels, received {describe(labels)}")
    return numbers


def describe(value: object) -> str:
    """What a value is, without its content."""
    match value:
        case np.ndarray():
            return f"{printable(value.dtype, 50)} {value.shape}"
        case list() | tuple():
            return f"a {type(value).__name__} of {len(value)} ({', '.join(sorted(set(map(_kind, value))))})"
        case None:
            return "none"
        case _:
            return _kind(value)


def _kind(value: object) -> str:
    return type(value).__name__ if isinstance(value, _PLAIN) else "something else"
