"""How many seeds a verdict takes: the probability that a paired t-test or two one-sided tests pass at n seeds.

Differences are taken as normal, independent between seeds, with the mean and standard deviation (sd) given.
"""

from bisect import bisect_left
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy

ALPHA = 0.05
PROBABILITY = 0.80
MOST_SEEDS = 1000
# Gauss-Legendre on [-1, 1]: with 200 nodes the power at 2 to 1,000 seeds is exact to 1e-6
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)


class MoreSeeds(NamedTuple):
    """Seeds beyond those at hand that reach the probability; None: no number up to ``MOST_SEEDS`` in all does."""

    equivalence: int | None
    difference: int | None


def more_seeds(n: int, mean: float, sd: float, equivalence_margin: float) -> MoreSeeds:
    """How many seeds more than ``n`` would, in a fresh sample of all of them, pass each test with 80 % probability.

    The true mean and sd are put in as observed. After a handful of seeds both are rough, and so is the answer.
    """
    return MoreSeeds(
        _fewest(lambda seeds: equivalence_power(seeds, mean, sd, equivalence_margin), n),
        _fewest(lambda seeds: difference_power(seeds, mean, sd), n),
    )


def equivalence_power(n: int, mean: float, sd: float, equivalence_margin: float) -> float:
    """The probability that two one-sided t-tests at 5 % place the mean within +-margin, at n >= 2 seeds.

    Exact: given the sample's sd, the sample's mean must fall within margin - t.95 sd / sqrt(n), a normal
    probability; that is averaged over the chi distribution of the sample's sd (Phillips 1990; Owen 1965's Q).
    """
    root, quantile = np.sqrt(n), scipy.stats.t.ppf(1 - ALPHA, n - 1)
    # the widest sample sd at which the interval can still fit, as a quantile of the sd's distribution
    widest = scipy.stats.chi2.cdf((n - 1) * (equivalence_margin * root / (quantile * sd)) ** 2, n - 1)
    sample_sd = sd * np.sqrt(scipy.stats.chi2.ppf(widest * (_NODES + 1) / 2, n - 1) / (n - 1))
    room = equivalence_margin - quantile * sample_sd / root
    passes = scipy.stats.norm.cdf((room - mean) * root / sd) - scipy.stats.norm.cdf((-room - mean) * root / sd)
    return float(widest / 2 * _WEIGHTS @ passes)


def difference_power(n: int, mean: float, sd: float) -> float:
    """The probability that a two-sided t-test at 5 % tells the mean from 0, at n >= 2 seeds (noncentral t)."""
    shift, quantile = mean * np.sqrt(n) / sd, scipy.stats.t.ppf(1 - ALPHA / 2, n - 1)
    return float(scipy.stats.nct.sf(quantile, n - 1, shift) + scipy.stats.nct.cdf(-quantile, n - 1, shift))


def detectable_difference(n: int, sd: float) -> float:
    """The smallest true mean that a two-sided t-test at 5 % tells from 0 with 80 % probability, at n >= 2 seeds."""
    quantile = scipy.stats.t.ppf(1 - ALPHA / 2, n - 1)
    # the other tail, which SciPy does not have everywhere, is below 1e-5 here; at the upper end the power is above 0.9
    shift = scipy.optimize.brentq(
        lambda shift: scipy.stats.nct.sf(quantile, n - 1, shift) - PROBABILITY, 0, 1.6 * quantile + 3
    )
    return float(sd * shift / np.sqrt(n))


def _fewest(power: Callable[[int], float], n: int) -> int | None:
    """The smallest k > 0 with enough power at n + k seeds; bisection, as power never falls below 80 % again."""
    candidates = range(n + 1, MOST_SEEDS + 1)
    place = bisect_left(candidates, PROBABILITY, key=power)
    return place + 1 if place < len(candidates) else None
