"""Told from rounding or not: sizes by hand, p-values by enumeration, errors and power by simulation."""

from itertools import permutations, product

import numpy as np
import pytest
from scipy.stats import f

from compare.stats.holm import holm
from compare.stats.rounding import Power, floor_size, pair_size, power, ratio_interval, told_from_floor
from shared.system.errors import UserError

# printed tables: 97.5 % of t with 2 degrees of freedom; 2.5 % and 97.5 % of chi-square with 3 and 6
T2 = 4.30265
CHI2 = {3: (0.21580, 9.34840), 6: (1.23734, 14.44938)}
FLOOR = np.array([[0.9, 0.901, 0.903], [0.8, 0.798, 0.8], [0.7, 0.704, 0.697]])


def test_size_of_the_floor_by_hand():
    size = floor_size(FLOOR)
    means = np.array([0.002, -0.001, 0.0005])
    half = T2 * means.std(ddof=1) / np.sqrt(3)
    assert (size.n, size.mean) == (6, pytest.approx(0.0005))
    assert size.mean_interval == pytest.approx((0.0005 - half, 0.0005 + half), rel=1e-4)
    squares = [(a - b) ** 2 for runs in FLOOR for a, b in permutations(runs, 2)]
    assert size.rms == pytest.approx(np.sqrt(np.mean(squares)))
    low, high = CHI2[6]
    assert size.rms_interval == pytest.approx((size.rms * np.sqrt(6 / high), size.rms * np.sqrt(6 / low)), rel=1e-4)


def test_size_of_a_pair_by_hand():
    size = pair_size(np.array([[0.903, 0.9], [0.796, 0.8], [0.702, 0.7]]))
    assert (size.n, size.mean, size.rms) == (3, pytest.approx(0.001 / 3), pytest.approx(np.sqrt(29 / 3) / 1000))
    half = T2 * np.std([3, -4, 2], ddof=1) / np.sqrt(3) / 1000
    assert size.mean_interval == pytest.approx((size.mean - half, size.mean + half), rel=1e-4)
    low, high = CHI2[3]
    assert size.rms_interval == pytest.approx((size.rms * np.sqrt(3 / high), size.rms * np.sqrt(3 / low)), rel=1e-4)


def test_interval_of_the_ratio_covers():
    drawn = np.random.RandomState(1)
    ratios = np.sqrt(drawn.chisquare(6, 20_000) / 6 / (drawn.chisquare(24, 20_000) / 24))
    low, high = ratio_interval(1.0, 6, 24)
    assert ((ratios * low <= 1) & (ratios * high >= 1)).mean() == pytest.approx(0.95, abs=0.005)
    assert high == pytest.approx(1 / np.sqrt(f.ppf(0.025, 6, 24)))


def by_enumeration(floor, pairs):
    """Exact p of scale and location: two runs of every seed in every possible way, the pair's statistic among them."""
    runs = np.hstack([floor, pairs])

    def statistics(chosen):
        square = shift = rest = 0.0
        for values, (a, b) in zip(runs, chosen, strict=True):
            others = np.delete(values, [a, b])
            square, shift, rest = (
                square + (values[a] - values[b]) ** 2,
                shift + values[a] - values[b],
                rest + others.var(),
            )
        return square / rest, shift**2 / rest

    count = runs.shape[1]
    orders = list(permutations(range(count), 2))
    drawn = np.array([statistics(chosen) for chosen in product(orders, repeat=len(runs))])
    scale, location = statistics([(count - 2, count - 1)] * len(runs))
    larger, smaller = np.mean(drawn[:, 0] >= scale - 1e-12), np.mean(drawn[:, 0] <= scale + 1e-12)
    return min(1, 2 * min(larger, smaller)), np.mean(drawn[:, 1] >= location - 1e-12)


@pytest.mark.parametrize("factor", [0.2, 1.0, 4.0])
def test_p_values_are_those_of_all_permutations(factor):
    drawn = np.random.RandomState(2).standard_normal((3, 5))
    floor, pairs = drawn[:, :3], factor * drawn[:, 3:]
    told = told_from_floor(floor, {"case": pairs})["case"]
    expected = np.array(by_enumeration(floor, pairs))
    assert [told.p_scale, told.p_location] == pytest.approx(holm(list(expected)), abs=0.02)
    assert told.ratio == pytest.approx(pair_size(pairs).rms / floor_size(floor).rms)


def tables(number, seeds, seed, flips=4):
    """mAPs of heavy tails around each seed's own: (number, seeds, flips + 3)."""
    drawn = np.random.RandomState(seed)
    return drawn.standard_t(3, (number, seeds, flips + 3)) + 10 * drawn.standard_normal((number, seeds, 1))


def test_false_alarms_are_as_rare_as_stated():
    found = [told_from_floor(runs[:, :5], {"case": runs[:, 5:]})["case"].is_told for runs in tables(200, 4, seed=3)]
    assert sum(found) <= 20  # of 200, of which 10 are expected at most: under 0.2 % to see more


def test_false_alarms_over_many_cases():
    """Cases that share a floor: one false claim in 20 tables at most, not in 20 cases."""
    alarms = 0
    for runs in tables(60, 4, seed=4, flips=18):
        cases = {str(place): runs[:, 5 + 2 * place : 7 + 2 * place] for place in range(8)}
        alarms += any(told.is_told for told in told_from_floor(runs[:, :5], cases).values())
    assert alarms <= 9  # of 60, of which 3 are expected at most: under 0.2 % to see more


def test_a_planted_scale_and_a_planted_shift_are_seen():
    normal = np.random.RandomState(5).standard_normal((40, 10, 7))
    wide = [told_from_floor(runs[:, :5], {"case": 3 * runs[:, 5:]})["case"] for runs in normal]
    moved = [told_from_floor(runs[:, :5], {"case": runs[:, 5:] + [2.5, 0]})["case"] for runs in normal]
    assert sum(told.verdict.startswith("larger") for told in wide) >= 30
    assert sum(told.verdict.endswith("shifted") for told in moved) >= 36


def test_power_is_what_fresh_tables_show():
    found = power(10, 4, 2)
    assert found.level == 0.025
    assert 2 < found.ratio <= 3
    normal = np.random.RandomState(6).standard_normal((60, 10, 7))
    told = [told_from_floor(runs[:, :5], {"case": found.ratio * runs[:, 5:]})["case"] for runs in normal]
    assert 0.6 < np.mean([one.is_told for one in told]) <= 0.97


def test_two_seeds_detect_no_shift_among_many_tests():
    assert power(2, 1, 24) == Power(None, None, 0.05 / 24)


def test_runs_that_do_not_scatter():
    still = np.full((6, 5), 0.9)
    same = told_from_floor(still, {"case": still[:, :2]})["case"]
    assert (same.ratio, same.ratio_interval, same.is_told, same.verdict) == (
        None,
        None,
        False,
        "not told from the floor",
    )
    apart = told_from_floor(still, {"case": still[:, :2] + [0.001, 0]})["case"]
    assert apart.verdict == "larger and shifted"
    floor = still + np.random.RandomState(7).normal(0, 0.01, still.shape)
    assert told_from_floor(floor, {"case": still[:, :2]})["case"].verdict == "smaller"


@pytest.mark.parametrize(
    ("floor", "pairs"),
    [
        (FLOOR[:1], FLOOR[:1, :2]),
        (FLOOR[:, :1], FLOOR[:, :2]),
        (FLOOR, FLOOR[:2, :2]),
        (FLOOR, FLOOR),
        (FLOOR * np.nan, FLOOR[:, :2]),
    ],
)
def test_other_shapes_are_refused(floor, pairs):
    with pytest.raises(UserError, match="expected"):
        told_from_floor(floor, {"case": pairs})
