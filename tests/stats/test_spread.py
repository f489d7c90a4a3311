"""Noise floor, bootstrap over queries and components of variance: by hand, from printed tables, by simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import f

from compare.stats import spread, variance
from shared.system.errors import UserError

# printed tables: 2.5 % and 97.5 % of chi-square with 5 and 6 degrees of freedom; 97.5 % of F(5, 5)
CHI2 = {5: (0.8312, 12.8325), 6: (1.2373, 14.4494)}
F55 = 7.1464
CONTROL = np.array([1.0, -2.0, 0.0, 2.0, -1.0, 3.0]) / 1000  # mean 0.5, squares 19, sd sqrt(17.5 / 5)


def test_noise_floor_by_hand():
    result = spread.noise_floor(CONTROL)
    sd = np.sqrt(17.5 / 5) / 1000
    low, high = CHI2[5]
    assert (result.n, result.sd) == (6, pytest.approx(sd))
    assert result.sd_interval == pytest.approx((sd * np.sqrt(5 / high), sd * np.sqrt(5 / low)), rel=1e-4)
    assert result.mean_absolute == pytest.approx(0.0015)
    low, high = CHI2[6]
    ends = np.sqrt(2 / np.pi) * np.sqrt(19 / np.array([high, low])) / 1000
    assert result.mean_absolute_interval == pytest.approx(tuple(ends), rel=1e-4)
    assert (result.framework_n, result.ratio) == (0, None)
    assert result.sentence() == (
        "a framework with itself: sd 0.0019, 95 % interval [0.0012, 0.0046], mean |d| 0.0015 [0.0009, 0.0031], n = 6"
    )


def test_ratio_to_the_floor_by_hand():
    result = spread.noise_floor(CONTROL, 3 * CONTROL + 0.01)
    assert result.ratio == pytest.approx(3)
    assert result.ratio_interval == pytest.approx((3 / np.sqrt(F55), 3 * np.sqrt(F55)), rel=1e-4)
    assert result.sentence().endswith(
        "; the frameworks' differences (n = 6) scatter 3.00 times as widely, 95 % interval [1.12, 8.02]"
    )


def test_unequal_numbers_use_their_own_degrees_of_freedom():
    low, high = spread.noise_floor(CONTROL, [0.0, 0.001]).ratio_interval
    ratio = spread.noise_floor(CONTROL, [0.0, 0.001]).ratio
    # printed: 97.5 % of F(1, 5) is 10.007, of F(5, 1) 921.85
    assert (ratio / low, high / ratio) == pytest.approx((np.sqrt(10.007), np.sqrt(921.85)), rel=1e-4)


def test_floor_without_spread_has_no_ratio():
    result = spread.noise_floor([0.0, 0.0, 0.0], CONTROL)
    assert (result.sd, result.sd_interval, result.ratio) == (0.0, (0.0, 0.0), None)
    assert result.sentence().endswith("no ratio to a floor that does not scatter")


def test_coverage_of_the_floor():
    result, squares = spread.noise_floor(CONTROL), np.sqrt(np.mean(CONTROL**2))
    drawn = np.random.RandomState(0).normal(0, 1, (40_000, 6))
    sds, roots = drawn.std(axis=1, ddof=1), np.sqrt((drawn**2).mean(axis=1))
    low, high = np.array(result.sd_interval) / result.sd
    assert ((low * sds < 1) & (high * sds > 1)).mean() == pytest.approx(0.95, abs=0.0045)
    low, high = np.array(result.mean_absolute_interval) / squares / np.abs(drawn).mean()
    assert ((low * roots < 1) & (high * roots > 1)).mean() == pytest.approx(0.95, abs=0.0045)


def test_bootstrap_is_paired_and_seeded():
    generator = np.random.RandomState(0)
    torch = generator.beta(8, 2, 1000)
    paddle = torch + generator.normal(0.002, 0.02, 1000)
    result = spread.bootstrap_queries(paddle, torch, seed=1)
    standard_error = (paddle - torch).std(ddof=1) / np.sqrt(1000)
    assert result.mean == pytest.approx((paddle - torch).mean())
    # queries differ by 0.12 from one another; the pairs by 0.02
    assert np.subtract(result.interval, result.mean) == pytest.approx(
        (-1.96 * standard_error, 1.96 * standard_error), rel=0.06
    )
    assert spread.bootstrap_queries(paddle, torch, seed=1) == result != spread.bootstrap_queries(paddle, torch, seed=2)
    assert result.text() == f"{result.mean:+.4f} [{result.interval.low:+.4f}, {result.interval.high:+.4f}]"


def test_bootstrap_interval_is_skewed_where_queries_are():
    low, high = np.subtract(spread.bootstrap_queries([0] * 57 + [1] * 3, [0] * 60).interval, 0.05)
    assert high > -1.2 * low > 0
    assert low > -0.05  # one resample in 20 has none of the three, so the percentile interval would reach to 0


def test_identical_checkpoints_have_no_evaluation_noise():
    assert spread.bootstrap_queries([0.5, 1.0], [0.5, 1.0]).interval == (0.0, 0.0)
    with pytest.raises(UserError, match="APs: expected the same queries on both sides, received 3 and 2"):
        spread.bootstrap_queries([0.1, 0.2, 0.3], [0.1, 0.2])


FAMILIES = {"split": [0.97, 0.98, 0.96], "order": [0.97, 0.971, 0.969]}  # variances 1e-4, 1e-6
PAIRS = [0.002, -0.002, 0.004]  # squares 24e-6: 2e-6


def test_components_by_hand():
    result = variance.components(FAMILIES, PAIRS, together=[0.96, 0.97, 0.98, 0.97])
    assert [(row.source, row.n) for row in result.rows] == [("split", 3), ("order", 3), ("framework", 3)]
    assert [row.sd for row in result.rows] == pytest.approx([0.01, 0.001, np.sqrt(2e-6)])
    assert [row.share for row in result.rows] == pytest.approx([100 / 103, 1 / 103, 2 / 103])
    # printed: chi-square with 2 degrees of freedom 0.0506 and 7.378, with 3 0.2158 and 9.348
    assert result.rows[0].interval == pytest.approx((0.01 * np.sqrt(2 / 7.378), 0.01 * np.sqrt(2 / 0.0506)), rel=1e-3)
    ends = np.sqrt(3 * 2e-6 / np.array([9.348, 0.2158]))
    assert result.rows[2].interval == pytest.approx(tuple(ends), rel=1e-3)
    # the whole: 2e-4 / 3; the framework is no part of one framework's runs
    assert result.ratio == pytest.approx(101e-6 / (2e-4 / 3))
    assert result.cells()[0] == {
        "source": "split",
        "n": "3",
        "sd of mAP": "0.0100",
        "95 % interval": "[0.0052, 0.0628]",
        "share": "97%",
        "95 % interval of the share": result.rows[0].share_interval.text(".0%"),
    }
    assert [result.cells()[3][heading] for heading in ("source", "n", "share")] == ["all seeds together", "4", "-"]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=9))
def test_framework_component_is_the_variance_between_two_levels(pairs):
    paddle, torch = np.array(pairs).T
    part = variance._framework_part(paddle - torch)
    assert part.variance == pytest.approx(np.mean(np.var([paddle, torch], axis=0)), abs=1e-15)
    # of all runs, half in each framework: what the framework adds to the spread of the pairs' means
    whole, means = np.var(np.concatenate([paddle, torch])), np.var((paddle + torch) / 2)
    assert whole == pytest.approx(means + part.variance, abs=1e-12)


def test_two_shares_have_the_f_interval():
    families = {"split": CONTROL, "order": [0.0, 0.001, 0.003, 0.001]}
    result = variance.components(families).rows[0]
    odds = result.share / (1 - result.share)
    ends = odds / f.ppf((0.975, 0.025), 5, 3)
    assert result.share_interval == pytest.approx(tuple(ends / (1 + ends)), abs=0.01)


def test_coverage_of_shares_and_of_the_sum(monkeypatch):
    monkeypatch.setattr(variance, "_DRAWS", 4000)
    sds, generator = {"split": 0.004, "init": 0.002, "order": 0.002, "dropout": 0.001}, np.random.RandomState(0)
    shares, runs = [sd**2 / 25e-6 for sd in sds.values()], (4, 6, 8, 12)
    covered = []
    for _ in range(250):
        # the effects add up, to an sd of 0.005
        families = {source: generator.normal(0.97, sd, n) for (source, sd), n in zip(sds.items(), runs, strict=True)}
        result = variance.components(families, together=generator.normal(0.97, 0.005, 20))
        intervals = [*(row.share_interval for row in result.rows), result.ratio_interval]
        covered.append([low < true < high for (low, high), true in zip(intervals, [*shares, 1], strict=True)])
    # 250 studies: 95 % comes out within 4.1 points (3 standard errors), the five together within 2
    assert (np.mean(covered, axis=0) > 0.909).all()
    assert np.mean(covered) == pytest.approx(0.955, abs=0.02)


def test_framework_interval_covers_with_and_without_a_shift():
    low, high = np.array(variance.components(FAMILIES, PAIRS).rows[2].interval) / np.sqrt(2e-6)
    for shift in (0, 0.5, 3):
        drawn = np.random.RandomState(0).normal(shift, 1, (40_000, 3))
        sds, true = np.sqrt((drawn**2).mean(axis=1)) / 2, np.sqrt(1 + shift**2) / 2
        assert ((low * sds < true) & (high * sds > true)).mean() > 0.9455


@pytest.mark.parametrize(
    ("whole", "ratio", "reading"),
    [
        (0.008, 1, "the interval includes 1, the value for sources that act independently"),
        (0.004, 4, "more than the whole: sources act through one another"),
        (0.020, 0.16, "less than the whole: something else varies"),
    ],
)
def test_sum_is_read_against_the_whole(whole, ratio, reading):
    twelve = np.linspace(-1, 1, 12) / np.linspace(-1, 1, 12).std(ddof=1)
    families = dict.fromkeys(("split", "init", "order", "dropout"), 0.97 + 0.004 * twelve)
    result = variance.components(families, together=0.97 + whole * twelve)
    assert result.ratio == pytest.approx(ratio)
    assert f"add up to {ratio:.2f} times the whole" in result.sentence()
    assert reading in result.sentence()


def test_table_is_the_same_every_time():
    assert variance.components(FAMILIES, PAIRS) == variance.components(FAMILIES, PAIRS)


def test_components_without_spread():
    result = variance.components({"order": [0.97, 0.97]}, together=[0.97] * 3)
    assert (result.rows[0].share, result.ratio, result.cells()[0]["share"]) == (None, None, "-")
    half = variance.components({"order": [0.97, 0.97], "split": [0.96, 0.97]})
    assert [row.share for row in half.rows] == [0, 1]
    assert half.rows[0].share_interval == (0, 0)
    assert half.together is None
    assert half.sentence().startswith("whether the parts add up is unknown")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spread.noise_floor([0.001]), "control: expected at least 2 numbers to see a spread, received 1"),
        (lambda: spread.noise_floor(CONTROL, [0.1]), "differences: expected at least 2"),
        (lambda: variance.components({}), "components: expected runs in which one source's seed varies, received none"),
        (lambda: variance.components({"split": [0.9]}), "runs with varying split: expected at least 2"),
        (lambda: variance.components(FAMILIES, [0.1]), "framework differences: expected at least 2"),
        (lambda: variance.components({"split": [0.9, float("inf")]}), "runs with varying split: .* received .*inf"),
    ],
)
def test_too_little_to_go_by(call, message):
    with pytest.raises(UserError, match=f"^{message}"):
        call()
