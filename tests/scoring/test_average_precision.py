"""Closed forms under ties against fractions worked by hand and against every order of small rankings."""

from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from shared.scoring.average_precision import DENOMINATORS, _hypergeometric, average_precision


def sorted_ap(relevant, topk, denominator):
    """Average precision of a ranking given as relevance flags, in exact arithmetic."""
    hits, total = 0, Fraction(0)
    for rank, flag in enumerate(relevant[:topk], 1):
        if flag:
            hits += 1
            total += Fraction(hits, rank)
    everything = sum(relevant)
    divisor = {"found": hits, "all": everything, "min": min(everything, topk)}[denominator]
    return total / divisor if divisor else Fraction(0)


def every_order(groups):
    """Every ranking that keeps the groups of tied items in order; each as often as any other."""
    if not groups:
        yield ()
        return
    for first in set(permutations(groups[0])):
        for rest in every_order(groups[1:]):
            yield first + rest


def counts(groups):
    return np.array([[len(group) for group in groups]]), np.array([[sum(group) for group in groups]])


# one relevant item at distance 0, another item at 1, one of each at 2
WORKED = np.array([[1, 1, 2]]), np.array([[1, 0, 1]])


@pytest.mark.parametrize(
    ("topk", "denominator", "expected", "best", "worst"),
    [
        # relevant first at 2: (1 + 2/3) / 2; last: (1 + 2/4) / 2
        (None, "found", 19 / 24, 5 / 6, 3 / 4),
        # the relevant item of distance 2 in third place: (1 + 2/3) / 2; not among the three: 1 / 1
        (3, "found", 11 / 12, 1, 5 / 6),
        (3, "all", 2 / 3, 5 / 6, 1 / 2),
        (2, "found", 1, 1, 1),
        (2, "all", 1 / 2, 1 / 2, 1 / 2),
        (1, "min", 1, 1, 1),
    ],
)
def test_worked_by_hand(topk, denominator, expected, best, worst):
    scores = average_precision(*WORKED, topk, denominator)
    np.testing.assert_allclose([score[0] for score in scores], [expected, best, worst], rtol=1e-15)


group = st.lists(st.booleans(), min_size=0, max_size=4)


@settings(max_examples=150, deadline=None)
@given(
    groups=st.lists(group, min_size=1, max_size=3), topk=st.integers(1, 13), denominator=st.sampled_from(DENOMINATORS)
)
def test_equals_every_tie_order(groups, topk, denominator):
    items, relevant = counts(groups)
    assume(items.sum() > 0)
    whole = topk > items.sum()
    scores = [sorted_ap(order, topk, denominator) for order in every_order(groups)]
    computed = [value[0] for value in average_precision(items, relevant, None if whole else topk, denominator)]
    exact = [float(sum(scores) / len(scores)), float(max(scores)), float(min(scores))]
    np.testing.assert_allclose(computed, exact, rtol=0, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_topk_beyond_the_ranking_is_the_whole_ranking(seed):
    generator = np.random.RandomState(seed)
    items = generator.randint(0, 50, (6, 9))
    relevant = generator.binomial(items, 0.3)
    for denominator in ("found", "all"):
        whole, beyond = average_precision(items, relevant), average_precision(items, relevant, 10_000, denominator)
        np.testing.assert_allclose(beyond, whole, rtol=1e-12)


def test_more_relevant_items_can_lower_what_is_divided_by_found():
    # [+ | - +] at k = 2: with the second + the score is 1, without it 1 as well; [- | + + -] at k = 2 is 1/2 or 0
    best = average_precision(np.array([[1, 2]]), np.array([[1, 1]]), 2).best
    assert best[0] == 1.0
    # + - then one of {+, -}: 5/6 with it, 1 without, so "relevant first" is not the best order
    scores = average_precision(np.array([[1, 1, 2]]), np.array([[1, 0, 1]]), 3)
    assert scores.best[0] == 1.0 > 5 / 6


def test_hypergeometric_is_scipys():
    for n, r, draws in ((20, 7, 5), (59_000, 5_900, 1_000), (4_000, 3_990, 500)):
        h = np.arange(max(0, draws - (n - r)), min(r, draws) + 1)
        np.testing.assert_allclose(_hypergeometric(n, r, draws, h), hypergeom(n, r, draws).pmf(h), atol=1e-13)
