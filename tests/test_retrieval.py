"""The score, against fractions worked by hand, every order of small tied rankings, and another library."""

from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from shared.errors import UserError
from shared.retrieval import average_precision, distance_counts, evaluate, pack_codes, unpack_codes


def sorted_ap(relevant):
    """Average precision of a ranking given as relevance flags, in exact arithmetic."""
    hits, total = 0, Fraction(0)
    for rank, flag in enumerate(relevant, 1):
        if flag:
            hits += 1
            total += Fraction(hits, rank)
    return total / hits if hits else Fraction(0)


def every_order(groups):
    """AP of every ranking that keeps the groups of tied items in order."""
    if not groups:
        yield ()
        return
    for first in permutations(groups[0]):
        for rest in every_order(groups[1:]):
            yield first + rest


def test_worked_by_hand():
    # one relevant at distance 0, one irrelevant at 1, one of each at 2:
    # relevant first at 2: (1 + 2/3) / 2 = 5/6; last: (1 + 2/4) / 2 = 3/4; mean 19/24
    expected, best, worst = average_precision(np.array([[1, 1, 2]]), np.array([[1, 0, 1]]))
    np.testing.assert_allclose([expected[0], best[0], worst[0]], [19 / 24, 5 / 6, 3 / 4], rtol=1e-15)


group = st.lists(st.booleans(), min_size=0, max_size=4)


@settings(max_examples=150, deadline=None)
@given(groups=st.lists(group, min_size=1, max_size=3))
def test_equals_every_tie_order(groups):
    items, relevant = np.array([[len(g) for g in groups]]), np.array([[sum(g) for g in groups]])
    assume(items.sum() > 0)
    scores = [sorted_ap(order) for order in every_order(groups)]
    computed = [value[0] for value in average_precision(items, relevant)]
    exact = [float(sum(scores) / len(scores)), float(max(scores)), float(min(scores))]
    np.testing.assert_allclose(computed, exact, rtol=0, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), bits=st.integers(1, 70))
def test_order_of_the_database_changes_nothing(seed, bits):
    generator = np.random.RandomState(seed)
    queries, database = generator.rand(5, bits) > 0.5, generator.rand(60, bits) > 0.5
    query_labels, labels = generator.randint(0, 3, 5), generator.randint(0, 3, 60)
    order = generator.permutation(60)
    first = evaluate(queries, query_labels, database, labels)
    second = evaluate(queries, query_labels, database[order], labels[order])
    assert first.ap_expected.tobytes() == second.ap_expected.tobytes()
    assert (first.ap_worst <= first.ap_expected + 1e-12).all()
    assert (first.ap_expected <= first.ap_best + 1e-12).all()


def test_counts_equal_a_plain_loop():
    generator = np.random.RandomState(1)
    queries, database = generator.rand(70, 33) > 0.5, generator.rand(90, 33) > 0.5
    query_labels, labels = generator.randint(0, 4, 70), generator.randint(0, 4, 90)
    items, relevant = distance_counts(queries, query_labels, database, labels)
    for q in range(70):
        distance = (queries[q] != database).sum(axis=1)
        assert items[q].tolist() == [int((distance == d).sum()) for d in range(34)]
        assert relevant[q].tolist() == [int(((distance == d) & (labels == query_labels[q])).sum()) for d in range(34)]


def test_agrees_with_scikit_learn_without_ties():
    bits = 40
    database = np.tril(np.ones((bits, bits), bool))  # distances 1..40 from the zero code, each once
    labels = np.random.RandomState(5).randint(0, 2, bits)
    result = evaluate(np.zeros((1, bits), bool), np.array([1]), database, labels)
    reference = average_precision_score(labels == 1, -np.arange(bits))
    assert result.map_expected == pytest.approx(reference, abs=1e-12)
    assert result.map_best == pytest.approx(result.map_worst, abs=1e-12)


def test_query_without_relevant_item_counts_as_zero():
    codes = np.array([[True, False], [False, False]])
    result = evaluate(codes, np.array([0, 9]), codes, np.array([0, 1]))
    assert result.queries_without_relevant == 1
    assert result.map_expected == 0.5


@pytest.mark.parametrize(
    ("queries", "labels", "message"),
    [
        (np.zeros((0, 4), bool), np.zeros(0, int), "non-empty"),
        (np.zeros((2, 4)), np.zeros(2, int), "bool"),
        (np.zeros((2, 4), bool), np.zeros(3, int), "labels"),
        (np.zeros((2, 5), bool), np.zeros(2, int), "one bit count"),
    ],
)
def test_wrong_arrays_are_refused(queries, labels, message):
    with pytest.raises(UserError, match=message):
        evaluate(queries, labels, np.zeros((3, 4), bool), np.zeros(3, int))


@given(seed=st.integers(0, 2**32 - 1), bits=st.integers(1, 200))
def test_packing_there_and_back(seed, bits):
    codes = np.random.RandomState(seed).rand(7, bits) > 0.5
    words = pack_codes(codes)
    assert words.dtype == np.uint64
    assert words.shape == (7, -(-bits // 64))
    np.testing.assert_array_equal(unpack_codes(words, bits), codes)
