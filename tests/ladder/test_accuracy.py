"""The rule by which float32 is judged beside float64: neither side errs more than twice as much as the other."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from compare.ladder.accuracy import (
    ROUNDING,
    allowed_error,
    compare_bits,
    compare_pair,
    compare_sides,
    error_of,
    is_accurate,
    own_errors,
)

ERRORS = st.floats(0, 1e-2)
SEEDS = st.integers(0, 2**32 - 1)
SHAPES = st.sampled_from([(1,), (7,), (40, 3), (2, 5, 11)])


def drawn(seed, shape):
    """A float64 array that float32 cannot hold, and the nearest float32 array."""
    exact = np.random.default_rng(seed).standard_normal(shape)
    return exact, exact.astype(np.float32)


def noisy(exact, seed, share):
    """A float32 array with errors of about ``share`` of the largest magnitude."""
    noise = np.random.default_rng([seed, 1]).standard_normal(exact.shape)
    return (exact + share * np.abs(exact).max() * noise).astype(np.float32)


def judge(a, b, exact, own=None):
    return compare_pair("rung", "name", {"a": (a, exact), "b": (b, exact)}, own)


@given(ERRORS, ERRORS)
def test_the_larger_error_alone_decides(a, b):
    assert (is_accurate(a, b) and is_accurate(b, a)) == (max(a, b) <= 2 * min(a, b) + 2.0**-23)


@given(ERRORS, st.sampled_from([np.nan, np.inf, -np.inf]))
def test_an_error_that_is_not_finite_never_passes(error, bad):
    assert not is_accurate(bad, error)
    assert not is_accurate(bad, bad)
    assert not (is_accurate(error, bad) and is_accurate(bad, error))


def test_one_rounding_is_always_allowed():
    assert allowed_error(0) == ROUNDING == 2.0**-23
    assert is_accurate(2.0**-23, 0)
    assert not is_accurate(2.0**-22, 0)


@given(SEEDS, SHAPES)
def test_sides_that_round_once_pass(seed, shape):
    exact, nearest = drawn(seed, shape)
    assert judge(nearest, nearest, exact).passed
    away = np.nextafter(nearest, np.where(exact > nearest, np.inf, -np.inf).astype(np.float32))
    assert judge(nearest, away, exact).passed


@given(SEEDS, SHAPES, st.floats(1e-6, 1e-2))
def test_judgement_is_the_same_for_exchanged_sides(seed, shape, share):
    exact, nearest = drawn(seed, shape)
    other = noisy(exact, seed, share)
    first, second = judge(nearest, other, exact), judge(other, nearest, exact)
    assert (first.passed, first.limit, first.max_relative) == (second.passed, second.limit, second.max_relative)
    assert first.errors["a"] == second.errors["b"]


@given(SEEDS, SHAPES, st.floats(1e-5, 1e-3))
def test_three_times_the_error_of_the_other_is_caught(seed, shape, share):
    exact, _ = drawn(seed, shape)
    error = noisy(exact, seed, share).astype(np.float64) - exact
    assume(np.abs(error).mean() > 8 * ROUNDING * np.abs(exact).max())  # below it one rounding decides
    one, twice, thrice = (judge_error(exact, error, factor) for factor in (1, 1.9, 3))
    assert one.passed
    assert twice.passed
    assert not thrice.passed
    assert thrice.note == "of b"


def judge_error(exact, error, factor):
    return judge((exact + error).astype(np.float32), (exact + factor * error).astype(np.float32), exact)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("place", ["one side", "both sides", "float64"])
def test_values_that_are_not_finite_fail(bad, place):
    exact, nearest = drawn(1, (5, 4))
    broken = nearest.copy()
    broken[2, 3] = bad
    sides = {"one side": (nearest, broken), "both sides": (broken, broken), "float64": (nearest, nearest)}[place]
    record = judge(*sides, broken.astype(np.float64) if place == "float64" else exact)
    assert not record.passed
    assert "1 values" in record.note


@pytest.mark.parametrize("size", [100, 100_000])
def test_one_wrong_value_is_not_lost_among_many(size):
    """A mean of squares over 100,000 values would allow seven times as much."""
    exact, nearest = drawn(3, size)
    wrong = nearest.copy()
    wrong[size // 2] += np.float32(1e-5 * np.abs(exact).max())
    record = judge(nearest, wrong, exact)
    assert not record.passed
    assert record.worst_index == (size // 2,)
    assert record.max_abs == pytest.approx(1e-5 * np.abs(exact).max(), rel=0.1)


def test_the_error_is_a_share_of_the_largest_magnitude():
    exact = np.array([0.0, -8.0, 1.0, 2.0])
    error = error_of(exact + np.array([0.0, 0.0, 4.0, 0.0]), exact)
    assert error.mean == pytest.approx(4 * (1 / 4) ** (1 / 4) / 8)
    assert (error.largest, error.worst_index) == (4.0, (2,))


def test_tiny_errors_do_not_vanish_when_they_are_raised():
    exact = np.full(3, 1e-200)
    assert error_of(exact * 1.5, exact).mean == pytest.approx(0.5)


def test_zeros_must_be_met_exactly():
    exact, zeros = np.zeros(3), np.zeros(3, np.float32)
    assert judge(zeros, zeros, exact).passed
    assert not judge(zeros, zeros + np.float32(1e-30), exact).passed


def test_arrays_without_values_pass():
    exact = np.zeros((0, 10))
    assert judge(exact.astype(np.float32), exact.astype(np.float32), exact).passed


@pytest.mark.parametrize("other", [lambda a: a.astype(np.float64), lambda a: a[:1], lambda a: a.T])
def test_another_dtype_or_shape_fails(other):
    exact, nearest = drawn(4, (3, 4))
    assert not judge(nearest, other(nearest), exact).passed
    assert not judge(other(nearest), nearest, exact).passed


def test_missing_and_extra_names_fail():
    exact, nearest = drawn(5, (3,))
    whole = {"x": nearest, "y": nearest}
    for a, b in (({"x": nearest}, whole), (whole, {"x": nearest}), (whole | {"z": nearest}, whole)):
        records = compare_sides("rung", {"a": a, "b": b}, {"x": exact, "y": exact}, prefix="of ")
        assert [r.name for r in records if not r.passed] == ["of z" if "z" in a else "of y"]


def test_own_errors_judge_every_tensor_of_a_pass():
    """The least accurate tensor of a side says how much the other may err on each."""
    exact, nearest = drawn(6, (50,))
    coarse = noisy(exact, 6, 1e-4)
    exacts = {"x": exact, "y": exact}
    sides = {"a": {"x": nearest, "y": coarse}, "b": {"x": coarse, "y": nearest}}
    assert not any(r.passed for r in compare_sides("rung", sides, exacts))
    own = own_errors(sides, exacts)
    assert own["a"] == own["b"] == pytest.approx(error_of(coarse, exact).mean)
    assert all(r.passed for r in compare_sides("rung", sides, exacts, own))
    far = sides | {"b": {"x": noisy(exact, 6, 5e-4), "y": nearest}}
    assert [r.passed for r in compare_sides("rung", far, exacts, own_errors(far, exacts))] == [False, True]


@pytest.mark.parametrize(("logit", "passed"), [(1e-7, True), (1e-3, False)])
def test_a_bit_may_differ_only_within_rounding_of_0(logit, passed):
    exact = np.array([[1.0, -2.0, logit]])
    logits = {"a": exact.astype(np.float32), "b": exact.astype(np.float32)}
    logits["b"][0, 2] *= -1
    bits = {side: values > 0 for side, values in logits.items()}
    for order in (("a", "b"), ("b", "a")):
        record = compare_bits("rung", "codes", {s: bits[s] for s in order}, {s: logits[s] for s in order}, exact)
        assert record.passed is passed
        assert "0 of a" in record.note
        assert "1 of b" in record.note
