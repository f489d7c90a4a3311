"""Statements that hold at any time: how often they err, against NumPy and SciPy, and where they have no bounds."""

import numpy as np
import pytest
import scipy
from hypothesis import given
from hypothesis import strategies as st

from compare.stats.anytime import confidence_sequence, interim, probability_within
from compare.stats.equivalence import paired
from shared.system.errors import UserError

MARGIN = 0.01
MOST_PAIRS = 40


def paths(mean, suites=10_000):
    """Differences of so many suites, and mean and sd after each number of pairs from 2, (suites, pairs) each."""
    drawn = np.random.default_rng(1).normal(mean, 0.01, (suites, MOST_PAIRS))
    n = np.arange(1, MOST_PAIRS + 1)
    means = np.cumsum(drawn, axis=1) / n
    variances = (np.cumsum(drawn**2, axis=1) - n * means**2)[:, 1:] / (n - 1)[1:]
    return drawn, n[1:], means[:, 1:], np.sqrt(variances)


def half_widths(n):
    """Those of the sequence for an sd of 1, found from two numbers that have it and the mean 0, n / 2 times each."""
    found = []
    for count in n:
        values = np.resize([1.0, -1.0], count)
        values = (values - values.mean()) / values.std(ddof=1)
        found.append(confidence_sequence(values).high)
    return np.array(found)


@pytest.mark.parametrize(("mean", "bound"), [(0.0, 0.0), (MARGIN, MARGIN), (-0.003, -0.003)])
def test_looking_after_every_pair_misses_the_mean_in_at_most_five_suites_of_a_hundred(mean, bound):
    _, n, means, sds = paths(mean)
    missed = (np.abs(means - bound) > half_widths(n) * sds).any(axis=1)
    assert 0.005 < missed.mean() <= 0.05


def test_no_false_equivalence_at_the_margin():
    """The mean is the margin: a suite that stops as soon as its interval is inside errs in at most 5 of 100."""
    _, n, means, sds = paths(MARGIN)
    declared = (np.abs(means) + half_widths(n) * sds < MARGIN).any(axis=1)
    assert declared.mean() <= 0.05


def test_one_look_verdicts_would_err_more_often_when_looked_at_after_every_pair():
    _, n, means, sds = paths(0.0)
    quantiles = scipy.stats.t.ppf(0.975, n - 1) / np.sqrt(n)
    assert (np.abs(means) > quantiles * sds).any(axis=1).mean() > 0.15


def test_the_interval_holds_the_means_against_which_evidence_stays_below_twenty():
    """The Bayes factor of the t-statistic, integrated over the prior by SciPy, is 20 at both ends."""
    values = np.array([0.004, -0.002, 0.007, 0.001, 0.003])
    n, g = len(values), 4.0
    for end in confidence_sequence(values):
        t = (values.mean() - end) * np.sqrt(n) / values.std(ddof=1)

        def density(effect, t=t):
            return scipy.stats.nct.pdf(t, n - 1, effect * np.sqrt(n)) * scipy.stats.norm.pdf(effect, 0, np.sqrt(g))

        marginal, _ = scipy.integrate.quad(density, -12, 12, limit=200)
        assert marginal / scipy.stats.t.pdf(t, n - 1) == pytest.approx(20, rel=1e-3)


def test_few_pairs_rule_nothing_out():
    assert confidence_sequence([0.001, 0.002, 0.0015]) == (-np.inf, np.inf)
    assert "95 % interval without bounds; probability" in interim([0.001, 0.002, 0.0015], MARGIN).sentence()
    assert interim([0.001], MARGIN) is None


def test_equal_differences_are_certain():
    found = interim([0.002] * 6, MARGIN)
    assert found.interval == (0.002, 0.002)
    assert found.probability == 1
    assert interim([0.02] * 6, MARGIN).probability == 0


@given(st.lists(st.floats(-0.05, 0.05), min_size=4, max_size=12))
def test_the_sequence_is_wider_than_one_look(values):
    sequence, look = confidence_sequence(values), paired(values).interval95
    assert sequence.low <= look.low
    assert look.high <= sequence.high


def test_probability_agrees_with_draws_from_the_posterior():
    values = np.array([0.004, -0.002, 0.009, 0.001, 0.013, 0.02])
    generator, n = np.random.default_rng(0), len(values)
    variances = (n - 1) * values.var(ddof=1) / generator.chisquare(n - 1, 400_000)
    means = generator.normal(values.mean(), np.sqrt(variances / n))
    assert probability_within(values, MARGIN) == pytest.approx((np.abs(means) < MARGIN).mean(), abs=0.003)


def test_numbers_that_are_not_finite_are_refused():
    with pytest.raises(UserError, match="expected one finite number a run"):
        interim([0.1, np.nan], MARGIN)
