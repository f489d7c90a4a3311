"""Statements on a mean difference that hold however often they are looked at: after every pair of runs, say.

The verdict of ``equivalence`` errs at its 5 % for one look at a number of seeds that is fixed before. What stands here
may be looked at after every pair, and the suite ended or gone on with for what is seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from compare.stats.equivalence import Interval, margin_text, mean_and_sd, sample
from compare.stats.power import ALPHA

# variance of the mean difference over sd, before any pair: 4 makes the sequence narrowest at about 6 pairs
_PRIOR_VARIANCE = 4.0


@dataclass(frozen=True)
class Interim:
    """After ``n`` pairs: an ``interval`` of the confidence sequence, and the ``probability`` to be inside the margin.

    Both ends of the interval are infinite for as long as no value can be ruled out.
    """

    n: int
    equivalence_margin: float
    interval: Interval
    probability: float

    def interval_text(self) -> str:
        """The interval, or that it has no ends yet."""
        return self.interval.text() if np.isfinite(self.interval.low) else "without bounds"

    def sentence(self) -> str:
        """Both, and what they are."""
        return (
            f"after any number of pairs: anytime-valid 95 % interval {self.interval_text()}; probability "
            f"{self.probability:.2f} that the mean is within {margin_text(self.equivalence_margin)}, by a flat prior"
        )


def interim(differences: Sequence[float], equivalence_margin: float) -> Interim | None:
    """What ``differences`` of mAP, one per seed, say at any time; None for fewer than two.

    Raises UserError for one that is not finite.
    """
    values = sample("differences", differences)
    if len(values) < 2:
        return None
    interval = confidence_sequence(values)
    return Interim(len(values), equivalence_margin, interval, probability_within(values, equivalence_margin))


def confidence_sequence(differences: Sequence[float], alpha: float = ALPHA) -> Interval:
    """The interval of a ``1 - alpha`` confidence sequence for the mean of normal numbers of unknown sd, two or more.

    With probability 1 - alpha the true mean lies in the intervals after all n at once. It holds the means m against
    which the evidence stays below 1/alpha: the t-statistic's Bayes factor with a normal prior of variance g on
    (mean - m) / sd, sqrt(1 / (1 + n g)) ((1 + t^2 / v) / (1 + t^2 / (v (1 + n g))))^(n / 2) with v = n - 1, is a
    martingale where m is the mean, and so exceeds 1/alpha ever with probability alpha at most (Ville 1939; Lai 1976;
    Lindon, Ham, Tingley and Bojinov 2022, anytime-valid t-tests, arXiv 2210.08589).
    """
    values = sample("differences", differences)
    n, (mean, sd) = len(values), mean_and_sd(values)
    spread = 1 + n * _PRIOR_VARIANCE
    growth = (np.sqrt(spread) / alpha) ** (2 / n)
    if growth >= spread:
        return Interval(-np.inf, np.inf)
    half = np.sqrt((n - 1) * (growth - 1) / (1 - growth / spread)) * sd / np.sqrt(n)
    return Interval(float(mean - half), float(mean + half))


def probability_within(differences: Sequence[float], equivalence_margin: float) -> float:
    """The posterior probability that the mean of normal numbers lies within +-``equivalence_margin``; two or more.

    The prior is flat in the mean and in log sd (Jeffreys), under which (mean - m) sqrt(n) / sd is Student's t with
    n - 1 degrees of freedom: ``baycomp``'s Bayesian t-test for pairs without its correction for overlapping training
    sets, which runs of different seeds do not have.
    """
    values = sample("differences", differences)
    mean, sd = mean_and_sd(values)
    if sd == 0:
        return float(abs(mean) < equivalence_margin)
    ends = (np.array([-equivalence_margin, equivalence_margin]) - mean) * np.sqrt(len(values)) / sd
    low, high = scipy.stats.t.cdf(ends, len(values) - 1)
    return float(high - low)
