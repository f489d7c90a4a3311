"""Precision, recall and ties from counts, against rankings spelled out and averaged over their orders."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.scoring import curves

# query 1: a relevant item and another at distance 0, nothing at 1, a relevant one at 2
# query 2: nothing at 0, two others at 1, one relevant of two at 2
ITEMS = np.array([[2, 0, 1], [0, 2, 2]])
RELEVANT = np.array([[1, 0, 1], [0, 0, 1]])


def test_radius_curve_worked_by_hand():
    precision, recall = curves.radius_curve(ITEMS, RELEVANT)
    np.testing.assert_allclose(precision, [(1 / 2 + 0) / 2, (1 / 2 + 0) / 2, (2 / 3 + 1 / 4) / 2])
    np.testing.assert_allclose(recall, [(1 / 2 + 0) / 2, (1 / 2 + 0) / 2, 1])


def test_within_radius_worked_by_hand():
    scores = curves.within_radius(ITEMS, RELEVANT, 1)
    # query 1: precision and recall 1/2, so F1 1/2; query 2 finds nothing
    assert scores == pytest.approx((1 / 4, 1 / 4, 1 / 4))
    assert curves.within_radius(ITEMS, RELEVANT, 2).recall == 1.0
    assert curves.within_radius(ITEMS, RELEVANT, 99) == curves.within_radius(ITEMS, RELEVANT, 2)


def test_eleven_points_worked_by_hand():
    # query 1: 2/3 at full recall beats 1/2 at half of it; query 2: 1/4 everywhere
    np.testing.assert_allclose(curves.eleven_points(ITEMS, RELEVANT), np.full(11, (2 / 3 + 1 / 4) / 2))
    falling = curves.eleven_points(np.array([[1, 3]]), np.array([[1, 1]]))
    np.testing.assert_allclose(falling, [1.0] * 6 + [0.5] * 5)


def test_ties_worked_by_hand():
    tied, mixed, distances = curves.ties(ITEMS, RELEVANT)
    assert (tied, mixed, distances) == pytest.approx(((2 / 3 + 1) / 2, (2 / 3 + 2 / 4) / 2, 2))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_rank_curve_is_the_mean_over_tie_orders(seed):
    generator = np.random.RandomState(seed)
    items = generator.multinomial(30, np.ones(6) / 6, 5)
    relevant = generator.binomial(items, 0.4)
    # every place of a group is relevant with probability r / n
    places = [np.repeat(np.where(n > 0, r / np.maximum(n, 1), 0), n) for n, r in zip(items, relevant, strict=True)]
    hits = np.cumsum(places, axis=1)
    totals = np.maximum(relevant.sum(axis=1, keepdims=True), 1)
    precision, recall = curves.rank_curve(items, relevant, np.arange(1, 31))
    np.testing.assert_allclose(precision, (hits / np.arange(1, 31)).mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(recall, (hits / totals).mean(axis=0), atol=1e-12)
    for rank, value in zip((1, 7, 30), curves.precision_at(items, relevant, (1, 7, 30)), strict=True):
        assert value == pytest.approx(precision[rank - 1], abs=1e-12)


def test_places_beyond_the_ranking_hold_nothing():
    assert curves.precision_at(np.array([[2, 2]]), np.array([[2, 0]]), [8]) == [2 / 8]


def test_ranks_to_report():
    assert curves.ranks_to_report(59_000) == [1, 5, 10, 50, 100, 500, 1000, 5000, 10_000, 50_000]
    assert curves.ranks_to_report(4) == [1]


def test_query_with_nothing_to_find_counts_as_zero():
    items, relevant = np.array([[3, 1], [3, 1]]), np.array([[3, 0], [0, 0]])
    assert curves.radius_curve(items, relevant).recall.tolist() == [0.5, 0.5]
    assert curves.eleven_points(items, relevant).tolist() == [0.5] * 11
    assert curves.rank_curve(items, relevant, np.array([1])).precision[0] == 0.5
