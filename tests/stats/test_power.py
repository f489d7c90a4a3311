"""How many seeds, and how often a verdict errs: against printed values, simple limits and many made-up suites."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm, ttest_1samp

from compare.stats import equivalence as stats
from compare.stats import power


# true mean in margins -> n -> the largest sd in margins that leaves 80 % power
@pytest.mark.parametrize(
    ("mean", "largest"),
    [
        (0.0, {3: 0.376, 5: 0.625, 6: 0.716, 8: 0.868, 10: 0.995}),
        (0.3, {3: 0.304, 5: 0.513, 6: 0.589, 8: 0.714, 10: 0.819}),
    ],
)
def test_largest_sd_for_80_percent(mean, largest):
    for n, expected in largest.items():
        sd = brentq(lambda sd, n=n: power.equivalence_power(n, mean, sd, 1) - 0.8, 0.05, 3)
        assert sd == pytest.approx(expected, abs=6e-4)
        assert simulated(n, mean, sd)[0] == pytest.approx(0.8, abs=0.009)


def simulated(n, mean, sd, suites=30_000):
    """How often each test passes at 5 %, margin 1, by SciPy's t-tests on drawn numbers (standard error 0.0023)."""
    drawn = np.random.RandomState(n).normal(mean, sd, (suites, n))
    above = ttest_1samp(drawn, -1, axis=1, alternative="greater").pvalue < 0.05
    below = ttest_1samp(drawn, 1, axis=1, alternative="less").pvalue < 0.05
    return (above & below).mean(), (ttest_1samp(drawn, 0, axis=1).pvalue < 0.05).mean()


@pytest.mark.parametrize(
    ("n", "mean", "sd"), [(2, 0, 0.1), (4, -0.6, 0.4), (7, 1.0, 0.5), (12, 0.5, 2.0), (30, 0.2, 1)]
)
def test_both_powers_by_simulation(n, mean, sd):
    equivalent, different = simulated(n, mean, sd)
    assert power.equivalence_power(n, mean, sd, 1) == pytest.approx(equivalent, abs=0.011)
    assert power.difference_power(n, mean, sd) == pytest.approx(different, abs=0.011)


def test_difference_power_is_the_textbooks():
    # Cohen (1988), one sample, two-sided 5 %: effect 0.5 takes 34 numbers for 80 %, effect 0.8 takes 15
    for effect, n in ((0.5, 34), (0.8, 15)):
        assert power.difference_power(n - 1, effect, 1) < 0.8 <= power.difference_power(n, effect, 1)
    assert power.difference_power(7, 0, 1) == pytest.approx(0.05)


def test_many_seeds_approach_the_normal_formula():
    # with a known sd: Phi((margin - mean) sqrt(n) / sd - z.95), the other bound being far
    expected = norm.cdf(0.4 * np.sqrt(1000) / 5 - norm.ppf(0.95))
    assert power.equivalence_power(1000, 0.6, 5, 1) == pytest.approx(expected, abs=2e-3)
    assert power.equivalence_power(100, 0, 0.02, 1) == pytest.approx(1.0)
    assert power.equivalence_power(10, 1, 0.01, 1) == pytest.approx(0.05, abs=1e-6)
    assert power.equivalence_power(10, 1.5, 0.01, 1) == pytest.approx(0.0)


@pytest.mark.parametrize(("mean", "sd"), [(0.0, 0.6), (0.3, 0.9), (0.0, 2.5), (0.8, 0.3), (-0.5, 0.5)])
def test_advised_seeds_reach_80_percent_and_one_fewer_do_not(mean, sd):
    equivalence, difference = power.more_seeds(2, mean, sd, 1)
    assert power.equivalence_power(2 + equivalence, mean, sd, 1) >= 0.8
    assert equivalence == 1 or power.equivalence_power(1 + equivalence, mean, sd, 1) < 0.8
    assert simulated(2 + equivalence, mean, sd)[0] > 0.79
    assert simulated(1 + equivalence, mean, sd)[0] < 0.81
    if difference is not None:
        assert simulated(2 + difference, mean, sd)[1] > 0.79
        assert simulated(1 + difference, mean, sd)[1] < 0.81


def test_no_number_of_seeds_shows_what_is_not_so():
    assert power.more_seeds(3, 1.2, 0.5, 1).equivalence is None
    assert power.more_seeds(3, 1.0, 0.5, 1).equivalence is None
    assert power.more_seeds(3, 0.0, 0.5, 1).difference is None
    assert power.more_seeds(3, 0.0, 50.0, 1) == (None, None)


def test_advice_is_what_a_plan_minus_the_seeds_at_hand_says():
    planned = power.more_seeds(1, 0.1, 0.7, 1).equivalence + 1
    assert power.more_seeds(4, 0.1, 0.7, 1).equivalence == planned - 4
    assert power.more_seeds(planned + 3, 0.1, 0.7, 1).equivalence == 1
    assert power.more_seeds(4, 0.001, 0.007, 0.01) == power.more_seeds(4, -0.1, 0.7, 1)


def made_up(mean, n, suites=40_000):
    """Verdicts and 90 % and 95 % intervals of many suites with this true mean; sd 0.004, margin 0.010."""
    drawn = np.random.RandomState(n).normal(mean, 0.004, (suites, n))
    *ends, p_equivalent, p_different = stats._tests(drawn, 0.01)
    passes = zip((p_equivalent < power.ALPHA).tolist(), (p_different < power.ALPHA).tolist(), strict=True)
    return np.array([stats._VERDICTS[both] for both in passes]), ends


# 40,000 suites: a rate of 5 % comes out within 0.4 points (4 standard errors)
@pytest.mark.parametrize("n", [3, 6])
def test_error_rates(n):
    nothing, _ = made_up(0.0, n)
    assert np.isin(nothing, ["different", "different but within"]).mean() == pytest.approx(0.05, abs=0.0045)
    for mean in (0.01, -0.01):
        boundary, _ = made_up(mean, n)
        assert np.isin(boundary, ["equivalent", "different but within"]).mean() == pytest.approx(0.05, abs=0.0045)
    assert (made_up(0.012, n)[0] == "equivalent").mean() < 0.02


def test_equivalence_is_rarely_claimed_of_few_scattered_seeds():
    drawn = np.random.RandomState(0).normal(0.01, 0.02, (40_000, 3))
    assert (stats._tests(drawn, 0.01)[4] < 0.05).mean() < 0.05


@pytest.mark.parametrize("n", [2, 3, 8])
def test_coverage(n):
    _, (low90, high90, low95, high95) = made_up(0.003, n)
    assert ((low90 <= 0.003) & (high90 >= 0.003)).mean() == pytest.approx(0.90, abs=0.006)
    assert ((low95 <= 0.003) & (high95 >= 0.003)).mean() == pytest.approx(0.95, abs=0.0045)


@pytest.mark.slow
def test_second_look_at_an_undecided_suite_errs_a_little_more_often():
    generator, wrong = np.random.RandomState(0), 0
    for _ in range(4000):
        values = generator.normal(0.01, 0.005, 3)
        verdict = stats.paired(values)
        if verdict.verdict == "undecided" and verdict.more_seeds.equivalence:
            verdict = stats.paired([*values, *generator.normal(0.01, 0.005, verdict.more_seeds.equivalence)])
        wrong += verdict.within
    assert wrong / 4000 == pytest.approx(0.07, abs=0.015)


@pytest.mark.parametrize(("n", "sd"), [(2, 0.01), (3, 0.006), (6, 0.006), (20, 0.02)])
def test_detectable_difference_is_detected_in_80_of_100_suites(n, sd):
    assert simulated(n, power.detectable_difference(n, sd), sd)[1] == pytest.approx(0.8, abs=0.009)


def test_nothing_is_too_small_where_nothing_scatters():
    assert power.detectable_difference(6, 0.0) == 0
