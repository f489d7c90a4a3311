"""The images of a data set as its files give them."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from shared.system.errors import UserError, printable
from shared.system.files import sha256_of

SEVERAL_CLASSES = "the loss has one class an image; codes of images with several are scored by compare/evaluate.py"
_PLAIN = (int, float, str, bytes, list, tuple, dict, np.generic, np.ndarray)


@dataclass(frozen=True)
class Split:
    """Image indices, int64: ``query`` and ``train`` and ``database``, class by class where they are drawn."""

    query: np.ndarray
    train: np.ndarray
    database: np.ndarray

    def digest(self) -> str:
        """SHA-256 of the three index arrays."""
        parts = (self.query, self.train, self.database)
        return sha256_of(*(f"{len(part)}:".encode() + part.astype("<i8").tobytes() for part in parts))


class Images(NamedTuple):
    """``pixels`` uint8 (N, H, W, 3) and ``labels`` int64 (N,); the first ``num_train`` come from the training files.

    ``class_names`` are those of the class folders, label by label; () where the files have none. ``notes`` say what
    the user should know of the reading, a line each. ``listed`` is the split that the files have, None without one;
    ``is_list``: they have no other.
    """

    pixels: np.ndarray
    labels: np.ndarray
    num_train: int
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    listed: Split | None = None
    is_list: bool = False

    def with_parts(self) -> "Images":
        """The same with the split of its files: test images to query, training images to train on and to search."""
        train, test = np.split(np.arange(len(self.labels)), [self.num_train])
        return self._replace(listed=Split(test, train, train)) if len(train) and len(test) else self


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


def one_class_each(labels: np.ndarray, where: str) -> np.ndarray:
    """Class ids int64 (N,) from ids (N,) or (N, 1), or from rows (N, classes) of 0 and 1 with a single 1.

    UserError for anything else.
    """
    if labels.ndim == 1 or labels.shape[1:] == (1,):
        return as_labels(labels, len(labels), where)
    if labels.ndim != 2 or labels.dtype.kind not in "biuf" or not ((labels == 0) | (labels == 1)).all():
        raise UserError(f"{where}: expected class ids, or rows of 0 and 1, received {describe(labels)}")
    classes = labels.sum(axis=1, dtype=np.int64)
    if wrong := np.flatnonzero(classes != 1)[:1].tolist():
        raise UserError(
            f"{where}: expected one class an image, received {classes[wrong[0]]} of image {wrong[0]}; {SEVERAL_CLASSES}"
        )
    return labels.argmax(axis=1).astype(np.int64)


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
