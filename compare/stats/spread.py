"""How far mAPs scatter by themselves: a framework beside itself, and one pair of checkpoints over other queries.

Intervals are 95 %. Those of standard deviations (sd) take the numbers as normal.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from compare.stats.equivalence import Interval, mean_and_sd, sample
from compare.stats.power import ALPHA
from shared.system.errors import UserError

_TAILS = (1 - ALPHA / 2, ALPHA / 2)
_RESAMPLES = 9999
_NONE = None, None


@dataclass(frozen=True)
class NoiseFloor:
    """The spread of ``n`` differences of a framework with itself (A/A), and of the frameworks' beside it.

    ``mean_absolute``: mean of ``|d|``; its interval is for the expectation. ``ratio``: sd of the frameworks'
    ``framework_n`` differences over ``sd``; None without them and where ``sd`` is 0.
    """

    n: int
    sd: float
    sd_interval: Interval
    mean_absolute: float
    mean_absolute_interval: Interval
    framework_n: int
    ratio: float | None
    ratio_interval: Interval | None

    def cells(self) -> dict[str, str]:
        """Its row of the table: heading -> text."""
        known = self.ratio is not None
        return {
            "n": str(self.n),
            "sd": f"{self.sd:.4f}",
            "95 % interval": self.sd_interval.text(".4f"),
            "mean abs. difference": f"{self.mean_absolute:.4f}",
            "sd ratio": f"{self.ratio:.2f}" if known else "-",
            "95 % interval of ratio": self.ratio_interval.text(".2f") if known else "-",
        }

    def sentence(self) -> str:
        """The floor, and how widely the frameworks' differences scatter beside it."""
        floor = (
            f"a framework with itself: sd {self.sd:.4f}, 95 % interval {self.sd_interval.text('.4f')}, "
            f"mean |d| {self.mean_absolute:.4f} {self.mean_absolute_interval.text('.4f')}, n = {self.n}"
        )
        if not self.framework_n:
            return floor
        if self.ratio is None:
            return f"{floor}; there is no ratio to a floor that does not scatter"
        return (
            f"{floor}; the frameworks' differences (n = {self.framework_n}) scatter {self.ratio:.2f} times as widely, "
            f"95 % interval {self.ratio_interval.text('.2f')}"
        )


def noise_floor(control: Sequence[float], differences: Sequence[float] = ()) -> NoiseFloor:
    """The spread of ``control``, differences of mAP between two runs of one framework that should not matter.

    Such pairs share a seed and differ in the number of threads, say, or in native dropout. ``differences``: of
    two frameworks, for comparison. sd: chi-square interval with n - 1 degrees of freedom. Mean ``|d|``: neither run of
    a pair comes first, so d has mean 0, sum d^2 / sigma^2 is chi-square with n degrees, and E|d| = sigma sqrt(2 / pi).
    Ratio: F interval with n - 1 degrees each, for independent runs; where both share runs it is wider than it need be.
    The ratio compares scatter alone; ``paired`` judges a shift. Raises UserError for fewer than two numbers.
    """
    values = several("control", control)
    _, sd = mean_and_sd(values)
    expectation = np.sqrt(np.mean(values**2)) * np.sqrt(2 / np.pi)
    ratio, ratio_interval = _ratio(several("differences", differences), sd, len(values)) if len(differences) else _NONE
    return NoiseFloor(
        n=len(values),
        sd=sd,
        sd_interval=sd_interval(sd, len(values) - 1),
        mean_absolute=float(np.abs(values).mean()),
        mean_absolute_interval=sd_interval(expectation, len(values)),
        framework_n=len(differences),
        ratio=ratio,
        ratio_interval=ratio_interval,
    )


def _ratio(differences: np.ndarray, floor: float, n: int) -> tuple[float | None, Interval | None]:
    """The sd of ``differences`` over the sd ``floor`` of ``n`` others, and its F interval; None over 0."""
    if floor == 0:
        return _NONE
    ratio = mean_and_sd(differences)[1] / floor
    return ratio, Interval(*(ratio / np.sqrt(scipy.stats.f.ppf(_TAILS, len(differences) - 1, n - 1))).tolist())


@dataclass(frozen=True)
class QueryBootstrap:
    """The mean difference of one pair of checkpoints over ``queries`` queries, and its interval over other queries."""

    queries: int
    mean: float
    interval: Interval

    def text(self) -> str:
        """ "-0.0004 [-0.0063, +0.0057]"."""
        return f"{self.mean:+.4f} {self.interval.text()}"


def bootstrap_queries(ap_a: Sequence[float], ap_b: Sequence[float], seed: int = 0) -> QueryBootstrap:
    """How far mAP a - mAP b of one pair of checkpoints depends on the choice of queries.

    ``ap_a``, ``ap_b``: average precision per query, in the same order. Queries are resampled in pairs, 9,999 times;
    the interval is BCa (Efron 1987). The checkpoints stay the same, so it says nothing about training noise. Raises
    UserError for unequal lengths and for fewer than two queries.
    """
    first, second = several("APs", ap_a), several("APs", ap_b)
    if len(first) != len(second):
        raise UserError(f"APs: expected the same queries on both sides, received {len(first)} and {len(second)}")
    differences = first - second
    mean, sd = mean_and_sd(differences)
    if sd == 0:  # BCa's acceleration is 0 / 0
        return QueryBootstrap(len(first), mean, Interval(mean, mean))
    # in batches: all resamples of 1,000 queries at once would take 80 MB
    drawn = scipy.stats.bootstrap(
        (differences,), np.mean, n_resamples=_RESAMPLES, batch=500, rng=np.random.default_rng(seed)
    )
    return QueryBootstrap(len(first), mean, Interval(*map(float, drawn.confidence_interval)))


def sd_interval(sd: float, degrees: int) -> Interval:
    """The chi-square interval of a standard deviation with so many degrees of freedom."""
    return Interval(*(float(sd) / np.sqrt(scipy.stats.chi2.ppf(_TAILS, degrees) / degrees)).tolist())


def several(what: str, values: Sequence[float]) -> np.ndarray:
    """The numbers as a vector. Raises UserError, naming ``what``, for fewer than two or one that is not finite."""
    array = sample(what, values)
    if len(array) < 2:
        raise UserError(f"{what}: expected at least 2 numbers to see a spread, received {len(array)}")
    return array
