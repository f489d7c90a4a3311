"""Strict comparison of arrays: same names, shapes and types, all finite, before any tolerance."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from compare.ladder.limits import LIMITS


class Record(NamedTuple):
    """One comparison. ``max_relative`` is the largest difference over the reference's largest magnitude.

    ``name`` and ``note`` are for people: what a program draws or counts stands in other fields. ``left_out`` marks a
    comparison that could not be made; ``growth_step`` and ``differing_bits`` are those of ``growth_record``. ``errors``
    are those of both sides beside float64 where the limit is derived from them, and ``max_relative`` is one of them.
    """

    rung: str
    name: str
    passed: bool
    limit: float | None
    max_abs: float | None = None
    max_relative: float | None = None
    cosine: float | None = None
    worst_index: tuple[int, ...] = ()
    shape: tuple[int, ...] = ()
    note: str = ""
    left_out: bool = False
    growth_step: int | None = None
    differing_bits: int | None = None
    errors: dict[str, float] | None = None


def compare(rung: str, name: str, ours: np.ndarray, reference: np.ndarray, limit: str) -> Record:
    """Compare one array with its reference; ``limit`` names a row of the limits table."""
    bound = LIMITS[limit].value
    fault = structural_fault(ours, reference, reference.dtype)
    if fault:
        return Record(rung, name, False, bound, shape=reference.shape, note=fault)
    if not reference.size:
        return Record(rung, name, True, bound, 0.0, 0.0, 1.0, (), reference.shape)
    a, b = ours.astype(np.float64), reference.astype(np.float64)
    difference, scale = np.abs(a - b), np.abs(b).max()
    worst = tuple(int(i) for i in np.unravel_index(difference.argmax(), difference.shape))
    largest = float(difference.max())
    relative = 0.0 if largest == 0 else largest / max(scale, np.finfo(np.float64).tiny)
    return Record(rung, name, bool(relative <= bound), bound, largest, relative, cosine(a, b), worst, reference.shape)


def compare_sets(
    rung: str, ours: Mapping[str, np.ndarray], reference: Mapping[str, np.ndarray], limit: str
) -> list[Record]:
    """Compare two sets of arrays name by name, in the reference's order; missing and extra names fail."""
    common = [compare(rung, name, ours[name], reference[name], limit) for name in reference if name in ours]
    return missing_records(rung, reference.keys() ^ ours.keys()) + common


def missing_records(rung: str, names: Iterable[str]) -> list[Record]:
    """A failed record for each of ``names``, which are missing on one side, in alphabetical order."""
    return [Record(rung, name, False, 0.0, note="missing on one side") for name in sorted(names)]


def shown_limit(value: float) -> str:
    """A limit in two digits, or in one where that is all it has.

    >>> shown_limit(1e-12), shown_limit(4.68e-7)
    ('1e-12', '4.7e-07')
    """
    return f"{value:.1e}".replace(".0e", "e")


def check(rung: str, name: str, passed: bool, note: str = "") -> Record:
    """A yes-or-no comparison."""
    return Record(rung, name, bool(passed), 0.0, note=note)


def growth_record(rung: str, step: int, relative: float, differing_bits: int) -> Record:
    """How far the float32 weights differ after ``step`` (from 1): reported without being judged.

    ``differing_bits`` of the training codes differed in the steps up to it.
    """
    name, note = (
        f"float32 weights after step {step}",
        f"reported only; {differing_bits} training code bits differed so far",
    )
    fields = {"growth_step": step, "differing_bits": differing_bits}
    return Record(rung, name, True, None, max_relative=relative, note=note, **fields)


def structural_fault(ours: np.ndarray, reference: np.ndarray, dtype: np.dtype) -> str:
    """Why two arrays cannot be compared: another dtype than ``dtype``, another shape, or values not finite; or ""."""
    if ours.dtype != dtype:
        return f"dtype {ours.dtype}, expected {dtype}"
    if ours.shape != reference.shape:
        return f"shape {ours.shape}, expected {reference.shape}"
    for array, which in ((ours, "one side"), (reference, "the reference")):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            return f"{int((~np.isfinite(array)).sum())} values of {which} are not finite"
    return ""


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """The cosine of the angle between two arrays as vectors; of a zero vector, 1 if they are equal and else 0."""
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float((a * b).sum() / norms) if norms else float(np.array_equal(a, b))
