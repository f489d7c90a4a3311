"""Derived limits for float32: beside the float64 result, neither side errs more than twice as much as the other.

The error of a float32 array is a mean over its values, relative to the largest magnitude of the float64 array. The mean
is that of fourth powers: between two sound implementations the largest single error differs by more than a factor of 2
by chance, and a mean of squares hides one wrong value among many.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from compare.ladder.records import Record, cosine, missing_records, structural_fault
from shared.worker.probe import Arrays

FACTOR = 2
# one rounding of the largest magnitude
ROUNDING = float(np.finfo(np.float32).eps)
RULE = (
    "Limits for float32 are derived: beside the float64 result, computed on the CPU, the error of one side is at most "
    "twice that of the other plus one rounding; an error is the fourth-power mean over a tensor, relative to the "
    "tensor's largest magnitude"
)
_POWER = 4
# side -> its arrays, by name
Sides = Mapping[str, Arrays]


class Error(NamedTuple):
    """How far an array is from the float64 one: ``mean``, relative; ``largest``, absolute; and where that is."""

    mean: float
    largest: float
    worst_index: tuple[int, ...]


def error_of(values: np.ndarray, exact: np.ndarray) -> Error:
    """The error of ``values`` beside ``exact``, of one shape; not finite where either is not."""
    if not exact.size:
        return Error(0.0, 0.0, ())
    difference = np.abs(values.astype(np.float64) - exact)
    largest, scale = float(difference.max()), float(np.abs(exact).max())
    worst = tuple(int(i) for i in np.unravel_index(difference.argmax(), difference.shape))
    if largest == 0 or scale == 0:
        return Error(0.0 if largest == 0 else np.inf, largest, worst)
    # divided by the largest before it is raised: a fourth power of a small error would be 0
    mean = largest * float(np.mean((difference / largest) ** _POWER)) ** (1 / _POWER)
    return Error(mean / scale, largest, worst)


def allowed_error(error_of_other: float) -> float:
    """The largest error that a side may have, relative to the largest magnitude."""
    return FACTOR * error_of_other + ROUNDING


def is_accurate(error: float, error_of_other: float) -> bool:
    """Whether a side's error is at most the allowed one; an error that is not finite never is."""
    return bool(np.isfinite(error) and error <= allowed_error(error_of_other))


def own_errors(sides: Sides, exact: Arrays) -> dict[str, float]:
    """The error of each side on the tensor on which it is the least accurate."""
    return {side: max(error_of(arrays[name], exact[name]).mean for name in exact) for side, arrays in sides.items()}


def compare_sides(
    rung: str, sides: Sides, exact: Arrays, own: Mapping[str, float] | None = None, prefix: str = ""
) -> list[Record]:
    """Judge two sides beside the float64 arrays, name by name; missing and extra names fail.

    ``own``: each side's error, of which the other may have twice as much; without it, that on the same tensor.
    """
    missing = set().union(*(arrays.keys() ^ exact.keys() for arrays in sides.values()))
    records = missing_records(rung, {prefix + name for name in missing})
    for name in (name for name in exact if name not in missing):
        pair = {side: (arrays[name], exact[name]) for side, arrays in sides.items()}
        records.append(compare_pair(rung, prefix + name, pair, own))
    return records


def compare_pair(
    rung: str, name: str, pair: Mapping[str, tuple[np.ndarray, np.ndarray]], own: Mapping[str, float] | None = None
) -> Record:
    """Judge two sides, each by its float32 array and the float64 array of its own; ``own`` as in ``compare_sides``.

    The record's difference, limit and place are those of the side nearer to its limit.
    """
    for side, (values, exact) in pair.items():
        if fault := structural_fault(values, exact, np.dtype(np.float32)):
            return Record(rung, name, False, ROUNDING, shape=exact.shape, note=f"{side}: {fault}")
    errors = {side: error_of(*arrays) for side, arrays in pair.items()}
    of_other = _of_other(own or {side: error.mean for side, error in errors.items()})
    side = max(errors, key=lambda side: errors[side].mean / allowed_error(of_other[side]))
    values, exact = pair[side]
    return Record(
        rung,
        name,
        all(is_accurate(error.mean, of_other[side]) for side, error in errors.items()),
        limit=allowed_error(of_other[side]),
        max_abs=errors[side].largest,
        max_relative=errors[side].mean,
        cosine=cosine(values.astype(np.float64), exact),
        worst_index=errors[side].worst_index,
        shape=exact.shape,
        note=f"of {side}",
        errors={side: error.mean for side, error in errors.items()},
    )


def allowed_distances(sides: Mapping[str, np.ndarray], exact: np.ndarray) -> dict[str, float]:
    """How far from the other decision a value may be, in float64, of which a side takes the other: absolute."""
    rounding = ROUNDING * float(np.abs(exact).max(initial=0.0))
    largest = _of_other({side: error_of(values, exact).largest for side, values in sides.items()})
    return {side: FACTOR * error + rounding for side, error in largest.items()}


def compare_bits(
    rung: str, name: str, bits: Mapping[str, np.ndarray], logits: Mapping[str, np.ndarray], exact: np.ndarray
) -> Record:
    """Bits are those of the float64 hash logits, except where these are as near to 0 as rounding may reach."""
    scale = max(float(np.abs(exact).max(initial=0.0)), np.finfo(np.float64).tiny)
    differing = {side: array != (exact > 0) for side, array in bits.items()}
    distances = {side: float(np.abs(exact[where]).max(initial=0.0)) for side, where in differing.items()}
    allowed = allowed_distances(logits, exact)
    passed = all(distances[side] <= allowed[side] for side in bits)
    side = max(bits, key=lambda side: distances[side] - allowed[side])
    counts = " and ".join(f"{int(where.sum())} of {side}" for side, where in differing.items())
    note = f"of {exact.size} bits differ from float64: {counts}"
    return Record(rung, name, passed, allowed[side] / scale, max_relative=distances[side] / scale, note=note)


def _of_other(values: Mapping[str, float]) -> dict[str, float]:
    """Each side's value under the name of the other side."""
    (first, a), (second, b) = values.items()
    return {first: b, second: a}
