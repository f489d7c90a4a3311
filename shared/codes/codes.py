"""The codes of one model: what ``encode`` writes, what the scores are computed from."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from shared.codes.finite import NO_CLASS, check_finite
from shared.codes.labels import number_of_classes
from shared.codes.packing import pack_codes, unpack_codes
from shared.config.protocols import MAX_CLASSES
from shared.data.cifar import Dataset, Split
from shared.readers.arrays import read_npz
from shared.system.errors import UserError
from shared.system.files import atomic_path, sha256_of


@dataclass(frozen=True)
class Codes:
    """Codes of the queries followed by those of the database, keyed by image index.

    ``index`` int64 (N,), ``labels`` int64 (N,), ``codes`` uint64 (N, ceil(bits/64)) packed,
    ``margin`` float32 (N, bits) is the bit margin, |hash logit|: how far each bit is from flipping. ``predicted`` is
    the class, int64 (N,), or ``NO_CLASS`` from a model without classifier. The fields are the arrays of codes.npz.
    A bit is 1 where the hash logit is above 0; an exact 0 counts as 0, and ``zeros`` counts it.
    """

    index: np.ndarray
    labels: np.ndarray
    codes: np.ndarray
    margin: np.ndarray
    predicted: np.ndarray
    num_queries: int

    @classmethod
    def from_hash_logits(
        cls, hash_logits: np.ndarray, predicted: np.ndarray, dataset: Dataset, split: Split
    ) -> "Codes":
        """Codes of ``encoded_index(split)`` from float32 hash logits (N, bits) and predicted classes (N,).

        Raises NotFinite, with a count, where hash logits or the logits behind the classes are not finite.
        """
        check_finite(hash_logits, predicted)
        index = encoded_index(split)
        packed = pack_codes(hash_logits > 0)
        bit_margin = np.abs(hash_logits).astype(np.float32)
        return cls(index, dataset.labels[index], packed, bit_margin, predicted.astype(np.int64), len(split.query))

    @property
    def bits(self) -> int:
        """Code length."""
        return self.margin.shape[1]

    def digest(self) -> str:
        """SHA-256 over images, codes and bit margins."""
        return sha256_of(*(np.ascontiguousarray(array) for array in (self.index, self.codes, self.margin)))

    @property
    def zeros(self) -> int:
        """How many hash logits were exactly 0, where the sign is a convention."""
        return int((self.margin == 0).sum())

    @property
    def collapse(self) -> str:
        """What ``collapsed`` says of these codes."""
        return collapsed(self.codes, self.labels)

    def without_classes(self) -> "Codes":
        """The same of a model that has no classifier."""
        return replace(self, predicted=np.full_like(self.predicted, NO_CLASS))

    def accuracy(self) -> float | None:
        """Share of the queries whose class is predicted right from their code; None from a model without classifier."""
        n = self.num_queries
        if (self.predicted[:n] == NO_CLASS).any():
            return None
        return float((self.predicted[:n] == self.labels[:n]).mean())

    def sides(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Codes and labels of the queries, then of the database."""
        n = self.num_queries
        return self.codes[:n], self.labels[:n], self.codes[n:], self.labels[n:]

    def differing_bits(self, other: "Codes") -> np.ndarray:
        """Where the codes of the same images differ, bool (N, bits); UserError for other images or another length."""
        same_sides = self.num_queries == other.num_queries and np.array_equal(self.index, other.index)
        if not same_sides or self.bits != other.bits:
            raise UserError(
                "codes: expected those of the same queries and database in the same number of bits, received "
                f"{self._counts()} and {other._counts()}{'' if same_sides else ', of other images or in another order'}"
            )
        return unpack_codes(self.codes ^ other.codes, self.bits)

    def _counts(self) -> str:
        return f"{self.num_queries} + {len(self.index) - self.num_queries} codes of {self.bits} bits"

    def save(self, path: Path) -> None:
        """Write the arrays atomically as .npz."""
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **vars(self))

    @classmethod
    def load(cls, path: Path, num_classes: int = MAX_CLASSES) -> "Codes":
        """Read what ``save`` wrote of a data set of so many classes; UserError for anything else."""
        expected = f"{path}: expected the codes of a finished run"
        try:
            arrays = read_npz(path, [field.name for field in fields(cls)])
        except UserError as error:
            raise UserError(f"{expected}; {str(error).removeprefix(f'{path}: ')}") from error
        for wrong in _mismatches(arrays, num_classes):
            raise UserError(f"{expected}, received {wrong}")
        return cls(**{**arrays, "num_queries": int(arrays["num_queries"])})


def _mismatches(arrays: dict[str, np.ndarray], num_classes: int) -> Iterator[str]:
    """What in the arrays of a file is not as ``Codes`` says; a caller may read the first item alone."""
    bit_margin, count = arrays["margin"], arrays["num_queries"]
    if bit_margin.ndim != 2 or bit_margin.dtype.kind != "f":
        yield f"margin {bit_margin.dtype} {bit_margin.shape}"
    for name in ("index", "labels", "predicted"):
        if arrays[name].shape != bit_margin.shape[:1] or arrays[name].dtype.kind not in "iu":
            yield f"{name} {arrays[name].dtype} {arrays[name].shape} beside margin {bit_margin.shape}"
    for name, least in (("labels", 0), ("predicted", NO_CLASS)):
        if len(bit_margin) and not least <= arrays[name].min() <= arrays[name].max() < num_classes:
            yield f"{name} from {arrays[name].min()} to {arrays[name].max()}, where classes are 0 to {num_classes - 1}"
    if count.shape != () or count.dtype.kind not in "iu" or not 0 <= count <= len(bit_margin):
        yield f"num_queries that is not from 0 to {len(bit_margin)}"
    words = arrays["codes"]
    if words.dtype != np.uint64 or words.shape != (len(bit_margin), -(-bit_margin.shape[1] // 64)):
        yield f"codes {words.dtype} {words.shape} beside margin {bit_margin.shape}"
    # a bit beyond the code's would count as a difference
    if bit_margin.shape[1] % 64 and (words[:, -1] >> np.uint64(bit_margin.shape[1] % 64)).any():
        yield f"codes of more than {bit_margin.shape[1]} bits"


def distinct_codes(codes: np.ndarray) -> int:
    """How many different codes there are among packed ones, uint64 (N, words)."""
    # by rows it sorts much more slowly
    return len(np.unique(codes[:, 0]) if codes.shape[1] == 1 else np.unique(codes, axis=0))


def collapsed(codes: np.ndarray, labels: np.ndarray) -> str:
    """A warning where packed codes, uint64 (N, words), cannot tell the classes apart or hardly can, else "".

    ``labels`` are class ids (N,) or multi-hot rows (N, classes).

    >>> collapsed(np.array([[5], [5], [5]], np.uint64), np.array([0, 1, 2]))
    'collapsed: all 3 images have one and the same code'
    """
    return collapse_text(len(codes), distinct_codes(codes), number_of_classes(labels))


def collapse_text(images: int, distinct: int, classes: int) -> str:
    """The warning of ``collapsed`` from counts."""
    if distinct >= min(images, 2 * classes):
        return ""
    if distinct == 1:
        return f"collapsed: all {images} images have one and the same code"
    text = f"collapsed: {images} images of {classes} classes have {distinct} different codes"
    return text if distinct < classes else f"nearly {text}, fewer than two a class"


def encoded_index(split: Split) -> np.ndarray:
    """The images that are encoded, queries first: int64 (queries + database,)."""
    return np.concatenate([split.query, split.database])
