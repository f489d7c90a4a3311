"""Verdicts on paired differences: by hand, from printed tables, and beside SciPy."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_1samp, ttest_rel

from compare.stats import equivalence as stats
from shared.system.errors import UserError

# Student's sleep data (1908), extra hours under two drugs: mean 1.58, sd 1.23, t = 4.0621, p = 0.00283, [0.70, 2.46]
SLEEP = np.array([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]) / 100
# printed t tables, 5 % in one tail
T95 = {3: 2.920, 5: 2.132, 6: 2.015, 8: 1.895, 10: 1.833}


def numbers(mean, sd, n):
    """n numbers with exactly this mean and standard deviation."""
    pattern = np.arange(n) - (n - 1) / 2
    return mean + sd * pattern / pattern.std(ddof=1)


def test_sleep_data():
    result = stats.paired(SLEEP, equivalence_margin=0.02)
    assert (result.mean, result.sd) == pytest.approx((0.0158, 0.0123), abs=5e-6)
    assert result.p_different == pytest.approx(0.00283, abs=5e-6)
    assert result.interval95 == pytest.approx((0.0070, 0.0246), abs=5e-5)
    # (0.02 - 0.0158) / (0.0123 / sqrt(10)) = 1.08 with 9 degrees of freedom
    assert result.p_equivalent == pytest.approx(0.1541, abs=5e-4)
    assert (result.n, result.verdict, result.beyond) == (10, "different", False)


@pytest.mark.parametrize("n", T95)
def test_90_interval_is_the_t_tables(n):
    low, high = stats.paired(numbers(0.001, 0.004, n)).interval90
    assert (high - low) / 2 == pytest.approx(T95[n] * 0.004 / np.sqrt(n), rel=3e-4)
    assert (low + high) / 2 == pytest.approx(0.001)


def test_as_scipy_says():
    paddle, torch = np.random.RandomState(3).normal(0.97, 0.004, (2, 7))
    result, theirs = stats.paired(paddle - torch), ttest_rel(paddle, torch)
    assert result.p_different == pytest.approx(theirs.pvalue)
    assert result.interval90 == pytest.approx(tuple(theirs.confidence_interval(0.90)))
    assert result.interval95 == pytest.approx(tuple(theirs.confidence_interval(0.95)))
    above = ttest_1samp(paddle - torch, -0.01, alternative="greater").pvalue
    below = ttest_1samp(paddle - torch, 0.01, alternative="less").pvalue
    assert result.p_equivalent == pytest.approx(max(above, below))


# margin 0.010, n = 5, so half the 90 % interval is 0.953 sd and half the 95 % interval 1.242 sd
@pytest.mark.parametrize(
    ("mean", "sd", "verdict", "within", "beyond"),
    [
        (0.000, 0.005, "equivalent", True, False),
        (0.004, 0.005, "equivalent", True, False),
        (0.004, 0.003, "different but within", True, False),
        (0.009, 0.002, "different", False, False),  # 90 % to 0.0109
        (0.010, 0.002, "different", False, False),
        (0.012, 0.002, "different", False, False),  # 95 % from 0.0095
        (0.0122, 0.002, "different", False, False),  # 95 % from 0.0097, though 90 % from 0.0103
        (0.013, 0.002, "different", False, True),  # 95 % from 0.0105
        (0.000, 0.011, "undecided", False, False),
        (0.009, 0.008, "undecided", False, False),  # 90 % from 0.0014, 95 % from -0.0009
        (0.020, 0.020, "undecided", False, False),
    ],
)
def test_every_region(mean, sd, verdict, within, beyond):
    for sign in (1, -1):
        result = stats.paired(numbers(sign * mean, sd, 5))
        assert (result.verdict, result.within, result.beyond) == (verdict, within, beyond)
        assert (result.more_seeds is not None) == (verdict == "undecided")


SENTENCES = [
    ([], "no verdict: n = 0, mean none; how far seeds scatter takes at least 2"),
    ([0.0012], "no verdict: n = 1, mean +0.0012; how far seeds scatter takes at least 2"),
    (numbers(0.0012, 0.004, 6), "equivalent within 0.010: mean +0.0012, 90 % interval [-0.0021, +0.0045], n = 6"),
    (
        numbers(-0.004, 0.003, 5),
        "different but within 0.010: mean -0.0040, 90 % interval [-0.0069, -0.0011], 95 % [-0.0077, -0.0003], n = 5",
    ),
    (
        numbers(0.013, 0.002, 5),
        "different (by more than 0.010): mean +0.0130, 95 % interval [+0.0105, +0.0155], n = 5",
    ),
    (
        numbers(0.009, 0.002, 5),
        "different (whether by more than 0.010 is open): mean +0.0090, 95 % interval [+0.0065, +0.0115], n = 5",
    ),
    (
        [0, 0, 0],
        "equivalent within 0.010: mean +0.0000, 90 % interval [+0.0000, +0.0000], n = 3; "
        "every seed gave the same difference",
    ),
]
RATHER = "more would rather show a difference (80 % probability, if mean and spread stay the same)"
ADVICE = [
    (0, 0.01, "about 8 more would show equivalence (80 % probability, if mean and spread stay the same)"),
    (0.0063, 0.0076, f"equivalence would take about 25 more; about 11 {RATHER}"),
    (0.0099, 0.02, f"equivalence would take over 1000 more; about 32 {RATHER}"),
    (0.012, 0.012, f"the mean is not inside the margin; about 7 {RATHER}"),
    (0.011, 0.5, "the mean is not inside the margin"),
]


@pytest.mark.parametrize(("values", "sentence"), SENTENCES)
def test_sentences(values, sentence):
    assert stats.paired(values).sentence() == sentence


@pytest.mark.parametrize(("mean", "sd", "advice"), ADVICE)
def test_advice(mean, sd, advice):
    for signed in {mean, -mean}:
        sentence = stats.paired(numbers(signed, sd, 3)).sentence()
        assert sentence.startswith(f"undecided at 0.010: mean {signed:+.4f}, 90 % interval [-0.")
        assert sentence.endswith(f", n = 3; {advice}")


def test_margin_is_printed_as_it_was_given():
    assert "within 0.0025:" in stats.paired([0.0001, 0, -0.0001], equivalence_margin=0.0025).sentence()


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(0.0, "equivalent"), (0.1 * 0.03, "different but within"), (-0.01, "different"), (0.02, "different")],
)
def test_no_spread(value, verdict):
    result = stats.paired([value] * 3)
    assert (result.verdict, result.sd, result.interval90) == (verdict, 0.0, (value, value))
    assert result.beyond == (abs(value) > 0.01)
    # the rounding of a mAP is no spread
    assert stats.paired([value, value * (1 + 3e-16), value]).sd == 0.0


def test_fewer_than_two_give_no_verdict():
    assert stats.paired([]) == stats.Paired(0, 0.01)
    assert stats.paired([0.0]) == stats.Paired(1, 0.01, mean=0.0)


def test_result_is_json():
    result = dataclasses.asdict(stats.paired([0.001, 0.01, -0.02]))
    assert json.loads(json.dumps(result))["more_seeds"] == list(result["more_seeds"])
    assert {type(value) for value in (*result["interval90"], result["mean"], result["p_different"])} == {float}


@pytest.mark.parametrize("margin", [0, -0.01, 1, float("nan")])
def test_impossible_margin(margin):
    with pytest.raises(UserError, match=r"^margin: expected a mAP between 0 and 1 .*received"):
        stats.paired([0.1, 0.2], margin)


def test_unfinished_runs_are_refused():
    with pytest.raises(UserError, match=r"^differences: expected one finite number a run, received .*nan"):
        stats.paired([0.1, float("nan")])
    with pytest.raises(UserError, match="differences: expected one finite number a run"):
        stats.paired([[0.1, 0.2]])


differences = st.lists(st.floats(-0.05, 0.05).map(lambda x: round(x, 5)), min_size=2, max_size=8)
margins = st.sampled_from([0.001, 0.004, 0.01, 0.03])


@settings(max_examples=40, deadline=None)
@given(differences, margins)
def test_exactly_one_verdict_and_it_agrees_with_the_intervals(values, margin):
    result = stats.paired(values, margin)
    ends = np.abs([*result.interval90, *result.interval95])
    assume(np.abs(ends - margin).min() > 1e-9)
    assume(ends[2:].min() > 1e-9 or result.sd == 0)
    inside = -margin < result.interval90.low and result.interval90.high < margin
    excludes_zero = result.interval95.low > 0 or result.interval95.high < 0
    holds = {
        "equivalent": inside and not excludes_zero,
        "different but within": inside and excludes_zero,
        "different": excludes_zero and not inside,
        "undecided": not inside and not excludes_zero,
    }
    assert [verdict for verdict, true in holds.items() if true] == [result.verdict]
    assert not (result.beyond and result.verdict != "different")


@settings(max_examples=20, deadline=None)
@given(differences, margins)
def test_swapped_frameworks_and_other_units(values, margin):
    result, swapped = stats.paired(values, margin), stats.paired([-value for value in values], margin)
    mirrored = (-swapped.interval95.high, -swapped.interval95.low)
    assert mirrored == pytest.approx(tuple(result.interval95), abs=1e-12)
    scaled = stats.paired([value / 8 for value in values], margin / 8)  # a power of two: no rounding
    for other in (swapped, scaled):
        assert (other.verdict, other.beyond) == (result.verdict, result.beyond)
        assert other.p_equivalent == pytest.approx(result.p_equivalent, abs=1e-12)
        assert other.more_seeds == result.more_seeds


@settings(max_examples=20, deadline=None)
@given(differences)
def test_wider_margin_is_easier_to_meet(values):
    results = [stats.paired(values, margin) for margin in (0.001, 0.004, 0.01, 0.03, 0.9)]
    assert (np.diff([result.p_equivalent for result in results]) <= 0).all()
    for flags in ([result.within for result in results], [not result.beyond for result in results]):
        assert flags == sorted(flags)


BY_BITS = {48: {1: 0.001, 2: 0.002, 3: 0.0015}, 12: {3: 0.0015, 1: 0.001, 2: -0.002}}


def test_every_length_and_their_average():
    result = stats.overall(BY_BITS)
    assert list(result.by_bits) == [12, 48]
    assert result.by_bits[12] == stats.paired([0.001, -0.002, 0.0015])
    assert result.averaged == stats.paired([0.001, 0.0, 0.0015])
    # intersection-union: the largest p-value, and no correction
    assert result.p_equivalent == result.by_bits[12].p_equivalent > result.by_bits[48].p_equivalent
    assert result.p_different == {48: 2 * result.by_bits[48].p_different, 12: result.by_bits[12].p_different}
    assert result.by_chance == {48: pytest.approx(0.07, abs=0.005)}
    assert result.within
    assert result.sentence() == (
        "shown to be within 0.010 at every length (equivalent: 12 bits; different but within: 48 bits); among 2 "
        "lengths a difference may be chance at 48 bits (Holm's p = 0.07). Average over lengths: "
        f"{result.averaged.sentence()}"
    )


def test_one_length_that_fails_is_enough():
    result = stats.overall(BY_BITS | {24: {1: 0.02, 2: 0.021, 3: 0.022}, 32: {1: 0.03, 2: 0.0, 3: -0.03}})
    assert not result.within
    assert result.p_equivalent > 0.5
    assert result.p_different[24] < 0.05  # this difference stands the correction
    assert result.sentence().startswith(
        "not shown to be within 0.010 at every length (equivalent: 12 bits; different: 24 bits; undecided: 32 bits; "
        "different but within: 48 bits); among 4 lengths a difference may be chance at 48 bits (Holm's p = 0.11). "
    )


def test_length_without_a_pair_leaves_the_whole_open():
    result = stats.overall(BY_BITS | {24: {}, 32: {7: 0.0}})
    assert (result.within, result.p_equivalent, result.p_different) == (False, None, {})
    assert result.averaged.n == 0
    assert "no verdict: 24, 32 bits" in result.sentence()
    with pytest.raises(UserError, match="at least one code length, received none"):
        stats.overall({})


def test_average_takes_the_seeds_that_all_lengths_have():
    result = stats.overall({12: {1: 0.001, 2: 0.003, 9: 0.5}, 24: {2: 0.001, 1: 0.001}})
    assert result.averaged == stats.paired([0.001, 0.002])
    assert result.by_bits[12].n == 3
