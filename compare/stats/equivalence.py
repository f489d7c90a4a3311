"""Are two frameworks equivalent? Paired differences of mAP over seeds, and a verdict in one of four words.

A pair is one run in each framework with the same split, initial weights, batch order and masks; its difference is
the other's mAP minus the reference's. The margin, the largest difference that does not matter, is fixed before any run.

Two tests are made at 5 %, and each passes or fails:

* equivalence: two one-sided t-tests reject "the mean is the margin or more" and "the mean is -margin or less"
  (Schuirmann 1987). The same as: the 90 % t-interval lies inside (-margin, margin).
* difference: a two-sided t-test rejects "the mean is 0". The same as: the 95 % t-interval excludes 0.

===================== =========== ==========
verdict (Lakens 2017) equivalence difference
===================== =========== ==========
equivalent            passes      fails
different but within  passes      passes
different             fails       passes
undecided             fails       fails
===================== =========== ==========

So exactly one word applies to any two or more numbers. "Different" claims that the mean is not 0; whether it is beyond
the margin, too, is settled when the 95 % interval lies wholly outside it, and said to be open when it does not. No
difference shown and no equivalence shown is "undecided", never "equal".

Where nothing differs, 1 suite in 20 reads "different" or "different but within". Where the mean is the margin, at most
1 in 20 reads "equivalent" or "different but within". Both hold for one look at the data: adding the advised seeds to an
undecided suite and looking again errs in about 7 of 100 (tests/stats/test_power.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy

from compare.stats.holm import holm
from compare.stats.power import ALPHA, MOST_SEEDS, MoreSeeds, more_seeds
from shared.config.recipe import EQUIVALENCE_MARGIN
from shared.system.errors import UserError
from shared.system.words import listed

EQUIVALENT, WITHIN, DIFFERENT, UNDECIDED = "equivalent", "different but within", "different", "undecided"
# (equivalence passes, difference passes) -> verdict
_VERDICTS = {(True, False): EQUIVALENT, (True, True): WITHIN, (False, True): DIFFERENT, (False, False): UNDECIDED}
_SENTENCES = {
    None: "no verdict: n = {n}, mean {mean}; how far seeds scatter takes at least 2",
    EQUIVALENT: "equivalent within {margin}: mean {mean}, 90 % interval {ninety}, n = {n}",
    WITHIN: "different but within {margin}: mean {mean}, 90 % interval {ninety}, 95 % {ninety_five}, n = {n}",
    DIFFERENT: "different ({size}by more than {margin}{open}): mean {mean}, 95 % interval {ninety_five}, n = {n}",
    UNDECIDED: "undecided at {margin}: mean {mean}, 90 % interval {ninety}, n = {n}; {advice}",
}
# mAPs carry rounding of about 1e-16: numbers that differ by less than this share of themselves are one number
_ROUNDING = 1e-12


class Interval(NamedTuple):
    """Both ends of a confidence interval."""

    low: float
    high: float

    def text(self, form: str = "+.4f") -> str:
        return f"[{self.low:{form}}, {self.high:{form}}]"


@dataclass(frozen=True)
class Paired:
    """The statistics of ``n`` paired differences of mAP. One seed gives a mean alone, no seed not even that.

    ``p_equivalent``: the larger of the two one-sided p-values. ``p_different``: the two-sided one. ``more_seeds``: the
    advice that goes with an undecided verdict, else None.
    """

    n: int
    equivalence_margin: float
    mean: float | None = None
    sd: float | None = None
    interval90: Interval | None = None
    interval95: Interval | None = None
    p_equivalent: float | None = None
    p_different: float | None = None
    verdict: str | None = None
    more_seeds: MoreSeeds | None = None

    @property
    def within(self) -> bool:
        """Whether the mean was shown to be inside the margin."""
        return self.verdict in {EQUIVALENT, WITHIN}

    @property
    def beyond(self) -> bool:
        """Whether the mean was shown to be outside the margin, on one side of it, at 5 %."""
        interval, limit = self.interval95, self.equivalence_margin
        return interval is not None and (interval.low > limit or interval.high < -limit)

    def sentence(self) -> str:
        """The verdict with its numbers: the 90 % interval, which decides on equivalence, the 95 %, on 0, or both."""
        template = _SENTENCES[self.verdict] + ("; every seed gave the same difference" if self.sd == 0 else "")
        return template.format(
            n=self.n,
            margin=margin_text(self.equivalence_margin),
            mean="none" if self.mean is None else f"{self.mean:+.4f}",
            ninety=self.interval90 and self.interval90.text(),
            ninety_five=self.interval95 and self.interval95.text(),
            size="" if self.beyond else "whether ",
            open="" if self.beyond else " is open",
            advice=self.more_seeds and _advice(self),
        )


def margin_text(equivalence_margin: float) -> str:
    """A margin as text: three decimals, or more where it has more."""
    has_three = round(equivalence_margin, 3) == equivalence_margin
    return f"{equivalence_margin:.3f}" if has_three else f"{equivalence_margin:g}"


def _advice(undecided: Paired) -> str:
    """Which of the two tests more seeds would let pass, and how many; the nearer one first."""
    equivalence, difference = undecided.more_seeds
    condition = "(80 % probability, if mean and spread stay the same)"
    if equivalence is not None and equivalence <= (difference or MOST_SEEDS):
        return f"about {equivalence} more would show equivalence {condition}"
    if abs(undecided.mean) >= undecided.equivalence_margin:
        hope = "the mean is not inside the margin"
    else:
        hope = f"equivalence would take {f'about {equivalence}' if equivalence else f'over {MOST_SEEDS}'} more"
    return hope if difference is None else f"{hope}; about {difference} more would rather show a difference {condition}"


@dataclass(frozen=True)
class Overall:
    """The verdicts of several lengths, and the verdict on each seed's average over them.

    ``by_bits``: bits -> verdict. ``averaged``: over the seeds that finished at every length. ``p_equivalent``: of
    "inside the margin at every length". That claim needs every length to pass at 5 % and then needs no correction
    (intersection-union, Berger 1982); its p-value is the largest, or None where a length has no verdict.
    ``p_different``: bits -> p-value of "different at this length", corrected for the number of lengths by Holm's
    procedure; empty where a length has no verdict.
    """

    by_bits: dict[int, Paired]
    averaged: Paired
    p_equivalent: float | None
    p_different: dict[int, float]

    @property
    def within(self) -> bool:
        """Whether the mean was shown to be inside the margin at every length."""
        return all(length.within for length in self.by_bits.values())

    @property
    def by_chance(self) -> dict[int, float]:
        """The lengths that differ at 5 % taken alone, but not among so many: bits -> corrected p-value."""
        alone = {bits for bits, length in self.by_bits.items() if length.verdict in {WITHIN, DIFFERENT}}
        return {bits: p for bits, p in self.p_different.items() if bits in alone and p >= ALPHA}

    def sentence(self) -> str:
        """The joint verdict over the lengths, then the one on the average."""
        lengths: dict[str, list[str]] = {}
        for bits, length in self.by_bits.items():
            lengths.setdefault(length.verdict or "no verdict", []).append(str(bits))
        by_verdict = "; ".join(f"{verdict}: {', '.join(texts)} bits" for verdict, texts in lengths.items())
        shown = "shown" if self.within else "not shown"
        claim = f"{shown} to be within {margin_text(self.averaged.equivalence_margin)} at every length ({by_verdict})"
        return f"{claim}{self.caution(self.by_bits)}. Average over lengths: {self.averaged.sentence()}"

    def caution(self, lengths: Iterable[int]) -> str:
        """A clause on those of ``lengths`` that are among ``by_chance``; empty where none is."""
        texts = [f"{bits} bits (Holm's p = {self.by_chance[bits]:.2f})" for bits in lengths if bits in self.by_chance]
        count = len(self.by_bits)
        return f"; among {count} lengths a difference may be chance at {listed(texts)}" if texts else ""


def paired(differences: Sequence[float], equivalence_margin: float = EQUIVALENCE_MARGIN) -> Paired:
    """The verdict on differences of mAP, one per seed, by the table at the head of this file.

    Raises UserError for a margin that is no mAP between 0 and 1 and for differences that are not finite.
    """
    if not 0 < equivalence_margin < 1:
        raise UserError(f"margin: expected a mAP between 0 and 1 (one point is 0.01), received {equivalence_margin}")
    values = sample("differences", differences)
    if len(values) < 2:
        return Paired(len(values), equivalence_margin, *map(float, values))
    mean, sd = mean_and_sd(values)
    results = _tests(values, equivalence_margin) if sd else _settled(mean, equivalence_margin)
    low90, high90, low95, high95, p_equivalent, p_different = map(float, results)
    verdict = _VERDICTS[p_equivalent < ALPHA, p_different < ALPHA]
    return Paired(
        n=len(values),
        equivalence_margin=equivalence_margin,
        mean=mean,
        sd=sd,
        interval90=Interval(low90, high90),
        interval95=Interval(low95, high95),
        p_equivalent=p_equivalent,
        p_different=p_different,
        verdict=verdict,
        more_seeds=more_seeds(len(values), mean, sd, equivalence_margin) if verdict == UNDECIDED else None,
    )


def overall(differences: Mapping[int, Mapping[int, float]], equivalence_margin: float = EQUIVALENCE_MARGIN) -> Overall:
    """The verdicts on ``differences``, bits -> seed -> difference of mAP, one by one and together.

    Raises UserError where there is no length, and as ``paired`` does.
    """
    if not differences:
        raise UserError("verdict: expected the differences of at least one code length, received none")
    by_bits = {bits: paired([*by_seed.values()], equivalence_margin) for bits, by_seed in sorted(differences.items())}
    judged = all(length.verdict for length in by_bits.values())
    return Overall(
        by_bits,
        paired(seed_averages(differences), equivalence_margin),
        max(length.p_equivalent for length in by_bits.values()) if judged else None,
        dict(zip(by_bits, holm([length.p_different for length in by_bits.values()]), strict=True)) if judged else {},
    )


def seed_averages(differences: Mapping[int, Mapping[int, float]]) -> list[float]:
    """Each seed's average over the lengths, seed by seed: of those that finished at all of one length or more.

    Runs of one seed share split, order and masks at every length, so that seeds, not runs, are independent.
    """
    seeds = sorted(set.intersection(*(set(by_seed) for by_seed in differences.values())))
    return [float(np.mean([by_seed[seed] for by_seed in differences.values()])) for seed in seeds]


def sample(what: str, values: Iterable[float]) -> np.ndarray:
    """The numbers as a float64 vector. Raises UserError, naming ``what``, for one that is not finite."""
    array = np.array([*values], dtype=float)
    if array.ndim != 1 or not np.isfinite(array).all():
        bad = array[~np.isfinite(array)][:1] if array.ndim == 1 else array.shape
        raise UserError(f"{what}: expected one finite number a run, received {bad}; leave out runs without a score")
    return array


def mean_and_sd(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation (divisor n - 1) of two or more numbers; the latter is 0.0 where they are equal."""
    if np.ptp(values) <= _ROUNDING * np.abs(values).max():
        return float(values[0]), 0.0
    return float(values.mean()), float(values.std(ddof=1))


def _tests(values: np.ndarray, equivalence_margin: float) -> tuple[np.ndarray, ...]:
    """Ends of the mean's 90 % and of its 95 % interval, p of equivalence, p of difference, along the last axis."""
    from_below = scipy.stats.ttest_1samp(values, -equivalence_margin, axis=-1, alternative="greater")
    from_above = scipy.stats.ttest_1samp(values, equivalence_margin, axis=-1, alternative="less")
    from_zero = scipy.stats.ttest_1samp(values, 0, axis=-1)
    ends = *from_zero.confidence_interval(1 - 2 * ALPHA), *from_zero.confidence_interval(1 - ALPHA)
    return *ends, np.maximum(from_below.pvalue, from_above.pvalue), from_zero.pvalue


def _settled(mean: float, equivalence_margin: float) -> tuple[float, ...]:
    """As ``_tests``, where all numbers are equal: the limit of ever smaller spreads."""
    return mean, mean, mean, mean, float(abs(mean) >= equivalence_margin), float(mean == 0)
