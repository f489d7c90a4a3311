"""Can a difference of mAP be told from what rounding alone does? Two tests beside a floor, and what they can see.

The floor. In each seed several runs of one framework have the same kernels and differ in one initial weight by one unit
in the last place: one run without the change, and one for each changed weight. Rounding is all that parts them.

A case is another pair of runs of each seed, such as both frameworks' with native kernels. The hypothesis is that it
does what any rounding does: that within a seed all runs are exchangeable, those of the pair and those of the floor.
Then any two of them could have been the pair, and the others the floor. Scale: the sum over seeds of the pair's squared
differences over that of the others' variances. Location: the pair's mean difference over the root of the latter. Both
are permutation tests, in which two runs are drawn in each seed: exact, whatever the distribution of mAP is, and however
much seeds differ. Both are two-sided.

Holm's procedure holds the probability of a false claim to 5 % over both tests of all cases that are tested together.

A case's numbers are no share of anything: rounding is amplified to a size that hardly depends on where it comes from.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import permutations

import numpy as np
import scipy

from compare.stats.equivalence import Interval, mean_and_sd
from compare.stats.holm import holm
from compare.stats.power import ALPHA, PROBABILITY
from compare.stats.spread import sd_interval
from shared.system.errors import UserError

_DRAWS, _DRAWS_OF_POWER, _SIMULATED = 19_999, 4_999, 200
# in units of the floor's root mean square, among which the smallest ratio beyond 1 and the smallest shift are sought
_STEPS = tuple(round(0.1 * step, 1) for step in range(1, 201))


@dataclass(frozen=True)
class Size:
    """Mean and root mean square (rms) of ``n`` differences of mAP, with 95 % intervals."""

    n: int
    mean: float
    mean_interval: Interval
    rms: float
    rms_interval: Interval


@dataclass(frozen=True)
class Told:
    """A case beside the floor. ``ratio``: its rms over the floor's, None where that is 0.

    ``p_scale`` and ``p_location`` are corrected by Holm's procedure over all cases.
    """

    size: Size
    ratio: float | None
    ratio_interval: Interval | None
    p_scale: float
    p_location: float

    @property
    def is_told(self) -> bool:
        """Whether one of the tests tells it from the floor, at 5 %."""
        return min(self.p_scale, self.p_location) < ALPHA

    @property
    def verdict(self) -> str:
        """What can be told at 5 %."""
        size = ("larger" if self.ratio is None or self.ratio > 1 else "smaller") if self.p_scale < ALPHA else ""
        shift = "shifted" if self.p_location < ALPHA else ""
        return " and ".join(filter(None, (size, shift))) or "not told from the floor"


@dataclass(frozen=True)
class Power:
    """What each test detects with 80 % probability, in units of the floor's rms; None: nothing up to 20 times it.

    ``ratio``: the smallest ratio of scale above 1. ``shift``: the smallest mean difference. ``level``: of the test,
    5 % over the number of ``tests``, which is where Holm's procedure begins.
    """

    ratio: float | None
    shift: float | None
    level: float


def floor_size(floor: np.ndarray) -> Size:
    """How far rounding alone moves mAP; ``floor``: mAPs (seeds, 1 + flips), those without a changed weight first.

    Mean: of the changed runs minus the first, averaged in each seed; t-interval over the seeds. rms: of all pairs of
    runs of a seed, which is sqrt(2) times their pooled standard deviation; chi-square interval with a degree of freedom
    for every changed run, which takes mAPs as normal. Raises UserError for fewer than two seeds or runs of a seed.
    """
    seeds, runs = _checked("floor", floor).shape
    mean, interval = _mean(floor[:, 1:].mean(axis=1) - floor[:, 0])
    rms = _floor_rms(floor)
    return Size(seeds * (runs - 1), mean, interval, rms, sd_interval(rms, seeds * (runs - 1)))


def pair_size(pairs: np.ndarray) -> Size:
    """The size of a case's differences; ``pairs``: mAPs (seeds, 2), a difference being the first minus the second.

    Mean: t-interval. rms: chi-square interval with as many degrees of freedom as seeds, for normal differences around
    0. Raises UserError for fewer than two seeds.
    """
    differences = _checked("pairs", pairs)[:, 0] - pairs[:, 1]
    mean, interval = _mean(differences)
    rms = float(np.sqrt(np.mean(differences**2)))
    return Size(len(differences), mean, interval, rms, sd_interval(rms, len(differences)))


def told_from_floor(floor: np.ndarray, cases: Mapping[str, np.ndarray]) -> dict[str, Told]:
    """Each case beside the floor by the tests at the head of this file.

    ``floor``: mAPs (seeds, 1 + flips); ``cases``: name -> mAPs (seeds, 2) of the same seeds. The interval of the ratio
    is F's, for normal mAPs. The draws are always the same. Raises UserError for other shapes.
    """
    degrees = _checked("floor", floor).shape[0] * (floor.shape[1] - 1)
    for name, pairs in cases.items():
        if np.shape(pairs) != (len(floor), 2):
            raise UserError(f"{name}: expected two mAPs for each of {len(floor)} seeds, received {np.shape(pairs)}")
    found = [_p_values(np.hstack([floor, pairs])[None], _DRAWS) for pairs in cases.values()]
    corrected = holm([float(p[0]) for both in found for p in both])
    told = {}
    for place, (name, pairs) in enumerate(cases.items()):
        size, rms = pair_size(pairs), _floor_rms(floor)
        ratio = size.rms / rms if rms else None
        interval = ratio_interval(ratio, size.n, degrees) if rms else None
        told[name] = Told(size, ratio, interval, *corrected[2 * place : 2 * place + 2])
    return told


def ratio_interval(ratio: float, n: int, degrees: int) -> Interval:
    """The 95 % interval of a ratio of two root mean squares, with ``n`` degrees of freedom over ``degrees``."""
    return Interval(*(ratio / np.sqrt(scipy.stats.f.ppf((1 - ALPHA / 2, ALPHA / 2), n, degrees))).tolist())


@cache
def power(seeds: int, flips: int, tests: int) -> Power:
    """What the tests detect with 80 % probability among ``tests``, by simulated normal mAPs; always the same draws."""
    level = ALPHA / tests
    runs = np.random.RandomState(0).standard_normal((_SIMULATED, seeds, flips + 3))
    floor, pairs = runs[..., :-2], runs[..., -2:]

    def detects(test: int, changed: np.ndarray) -> bool:
        p_values = _p_values(np.concatenate([floor, changed], axis=2), _DRAWS_OF_POWER)[test]
        return float(np.mean(p_values < level)) >= PROBABILITY

    # the floor's rms is sqrt(2) here, as that of two runs with standard deviation 1
    shift = np.array([np.sqrt(2), 0])
    return Power(
        _smallest(lambda step: detects(0, (1 + step) * pairs), 1.0),
        _smallest(lambda step: detects(1, pairs + step * shift), 0.0),
        level,
    )


def _smallest(detects: Callable[[float], bool], start: float) -> float | None:
    """``start`` and the smallest of ``_STEPS`` that is detected, as all larger ones are then."""
    place = bisect_left(_STEPS, True, key=detects)
    return round(start + _STEPS[place], 1) if place < len(_STEPS) else None


def _p_values(runs: np.ndarray, draws: int) -> tuple[np.ndarray, np.ndarray]:
    """The p of scale and of location for each of (tables, seeds, runs), the pair being the last two runs of a seed."""
    count = runs.shape[2]
    orders = [*permutations(range(count), 2)]
    first, second = np.array(orders).T
    shifts = runs[..., first] - runs[..., second]  # (tables, seeds, ordered pairs)
    rests = np.stack([np.delete(runs, order, axis=2).var(axis=2) for order in orders], axis=2)
    generator = np.random.RandomState(0)
    drawn = [generator.randint(len(orders), size=draws) for _ in range(runs.shape[1])]
    square, shift, rest = (_sums(values, drawn) for values in (shifts**2, shifts, rests))
    its_own = [np.full(1, orders.index((count - 2, count - 1)))] * runs.shape[1]
    its_square, its_shift, its_rest = (_sums(values, its_own) for values in (shifts**2, shifts, rests))
    # multiplied out, since runs may all be the same
    larger, smaller = _share(square * its_rest >= its_square * rest), _share(square * its_rest <= its_square * rest)
    return np.minimum(1, 2 * np.minimum(larger, smaller)), _share(shift**2 * its_rest >= its_shift**2 * rest)


def _sums(values: np.ndarray, drawn: Sequence[np.ndarray]) -> np.ndarray:
    """The sum over seeds of the elements ``drawn`` of (tables, seeds, elements): (tables, draws)."""
    return sum(values[:, seed, places] for seed, places in enumerate(drawn))


def _share(reached: np.ndarray) -> np.ndarray:
    """The share of draws in each row that reach what was observed, which is a draw itself."""
    return (reached.sum(axis=1) + 1) / (reached.shape[1] + 1)


def _floor_rms(floor: np.ndarray) -> float:
    return float(np.sqrt(2 * np.mean([mean_and_sd(runs)[1] ** 2 for runs in floor])))


def _mean(values: np.ndarray) -> tuple[float, Interval]:
    mean, sd = mean_and_sd(values)
    if sd == 0:
        return mean, Interval(mean, mean)
    half = scipy.stats.t.ppf(1 - ALPHA / 2, len(values) - 1) * sd / np.sqrt(len(values))
    return mean, Interval(float(mean - half), float(mean + half))


def _checked(what: str, maps: np.ndarray) -> np.ndarray:
    if np.ndim(maps) != 2 or min(np.shape(maps)) < 2 or not np.isfinite(maps).all():
        shape = np.shape(maps)
        raise UserError(f"{what}: expected finite mAPs, 2 or more for each of 2 seeds or more, received {shape}")
    return maps
