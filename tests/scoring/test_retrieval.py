"""The evaluator as a whole: any form of codes and labels, every order of the database, plain loops, other libraries."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from shared.scoring import counting
from shared.scoring.argsort_map import map_numpy_argsort
from shared.scoring.average_precision import average_precision
from shared.scoring.counting import Side, distance_counts
from shared.scoring.retrieval import evaluate, pack_codes, unpack_codes
from shared.system.errors import UserError
from tests import helpers


def example(seed, bits=12, queries=7, items=60, classes=3):
    generator = np.random.RandomState(seed)
    codes = [generator.rand(n, bits) > 0.5 for n in (queries, items)]
    labels = [generator.randint(0, classes, n) for n in (queries, items)]
    return codes[0], labels[0], codes[1], labels[1]


def stable_ap(distance, relevant, topk=None):
    flags = relevant[np.argsort(distance, kind="stable")][:topk]
    ranks = np.flatnonzero(flags) + 1
    return (np.arange(1, len(ranks) + 1) / ranks).mean() if len(ranks) else 0.0


def test_counts_of_shards_add_up_to_the_score_of_the_whole():
    """How a database that no single machine holds is scored: each shard's counts, their sum, and the score of that."""
    queries, query_labels, database, labels = example(3, items=90)
    asking = Side(pack_codes(queries), query_labels)
    shards = [Side(pack_codes(database[part]), labels[part]) for part in (slice(0, 40), slice(40, 90))]
    items, relevant = (sum(counts) for counts in zip(*(distance_counts(asking, s, 12) for s in shards), strict=True))
    whole = evaluate(queries, query_labels, database, labels).summary()
    summed = average_precision(items, relevant)
    assert summed.expected.mean() == whole["expected"]
    assert summed.worst.mean() == whole["worst"]
    assert summed.best.mean() == whole["best"]


def test_counts_equal_a_plain_loop(monkeypatch):
    monkeypatch.setattr(counting, "_BLOCK", 32)  # several blocks of the database
    monkeypatch.setattr(counting, "_PAIRS", 64)  # several portions of the queries
    for bits in (1, 33, 64, 130):
        queries, query_labels, database, labels = example(1, bits, 70, 90, 4)
        sides = Side(pack_codes(queries), query_labels), Side(pack_codes(database), labels)
        items, relevant = distance_counts(*sides, bits)
        for q in range(70):
            distance, same = (queries[q] != database).sum(axis=1), labels == query_labels[q]
            assert items[q].tolist() == np.bincount(distance, minlength=bits + 1).tolist()
            assert relevant[q].tolist() == np.bincount(distance[same], minlength=bits + 1).tolist()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), bits=st.integers(1, 140), topk=st.sampled_from([None, 1, 7, 59]))
def test_order_of_the_database_changes_nothing(seed, bits, topk):
    queries, query_labels, database, labels = example(seed, bits)
    order = np.random.RandomState(seed).permutation(60)
    first = evaluate(queries, query_labels, database, labels, topk=topk)
    second = evaluate(queries, query_labels, database[order], labels[order], topk=topk)
    for name in ("ap_expected", "ap_best", "ap_worst", "counts", "relevant"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes()
    assert json.dumps(first.other_scores()) == json.dumps(second.other_scores())
    for result in (first, second):
        for inside in (result.ap_expected, result.ap_stable):
            assert (result.ap_worst <= inside + 1e-12).all()
            assert (inside <= result.ap_best + 1e-12).all()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), bits=st.sampled_from([3, 12, 100]), topk=st.sampled_from([None, 5, 60]))
def test_stable_order_equals_a_stable_sort(seed, bits, topk):
    queries, query_labels, database, labels = example(seed, bits)
    result = evaluate(queries, query_labels, database, labels, topk=topk)
    for q, computed in enumerate(result.ap_stable):
        distance = (queries[q] != database).sum(axis=1)
        assert computed == pytest.approx(stable_ap(distance, labels == query_labels[q], topk), abs=1e-12)


def test_threads_and_blocks_change_nothing(monkeypatch):
    arguments = example(3, 24, 100, 500, 10)
    results = []
    for threads, block in ((1, 2**16), (2, 2**16), (3, 64)):
        monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
        monkeypatch.setattr(counting, "_BLOCK", block)
        result = evaluate(*arguments)
        results.append((result.ap_expected.tobytes(), result.counts.tobytes(), result.relevant.tobytes()))
    assert results[0] == results[1] == results[2]


def test_every_form_of_codes_gives_the_same():
    queries, query_labels, database, labels = example(4, 70)
    forms = {
        "bool": lambda codes: codes,
        "0 and 1": lambda codes: codes.astype(np.uint8),
        "-1 and +1": lambda codes: codes.astype(np.float32) * 2 - 1,
        "words": pack_codes,
    }
    scores = {}
    for name, form in forms.items():
        bits = 70 if name == "words" else None
        scores[name] = evaluate(form(queries), query_labels, form(database), labels, bits=bits).ap_expected.tolist()
    assert len({tuple(values) for values in scores.values()}) == 1
    # without the number of bits all of every word counts, and the rest is 0 on both sides
    assert (
        evaluate(pack_codes(queries), query_labels, pack_codes(database), labels).ap_expected.tolist() == scores["bool"]
    )


def test_multi_hot_labels_share_a_class():
    generator = np.random.RandomState(6)
    queries, _, database, _ = example(6, 16)
    query_labels, labels = generator.rand(7, 5) < 0.3, generator.rand(60, 5) < 0.3
    result = evaluate(queries, query_labels, database, labels.astype(np.float32))
    for q in range(7):
        relevant = np.array([bool(set(np.flatnonzero(query_labels[q])) & set(np.flatnonzero(row))) for row in labels])
        assert result.relevant[q].sum() == relevant.sum()
        distance = (queries[q] != database).sum(axis=1)
        assert result.ap_stable[q] == pytest.approx(stable_ap(distance, relevant), abs=1e-12)
    one_hot = np.eye(3)
    ids = example(6, 16)
    hot = evaluate(ids[0], one_hot[ids[1]], ids[2], one_hot[ids[3]])
    assert hot.ap_expected.tolist() == evaluate(*ids).ap_expected.tolist()


def test_left_out_items_might_as_well_not_be_there(monkeypatch):
    monkeypatch.setattr(counting, "_BLOCK", 16)
    _, _, codes, labels = example(7, 20)
    result = evaluate(codes, labels, codes, labels, exclude_self=True, topk=30)
    for q in range(60):
        others = np.arange(60) != q
        alone = evaluate(codes[q : q + 1], labels[q : q + 1], codes[others], labels[others], topk=30)
        assert alone.counts.tolist() == result.counts[q : q + 1].tolist()
        assert alone.ap_expected[0] == result.ap_expected[q]
        assert alone.ap_stable[0] == pytest.approx(result.ap_stable[q], abs=1e-12)
    none = evaluate(codes, labels, codes, labels, exclude_self=np.full(60, -1))
    assert none.ap_expected.tolist() == evaluate(codes, labels, codes, labels).ap_expected.tolist()


def test_agrees_with_scikit_learn_without_ties():
    bits = 40
    database = np.tril(np.ones((bits, bits), bool))  # distances 1..40 from the zero code, each once
    labels = np.random.RandomState(5).randint(0, 2, bits)
    result = evaluate(np.zeros((1, bits), bool), np.array([1]), database, labels)
    reference = average_precision_score(labels == 1, -np.arange(bits))
    for score in (result.map_expected, result.map_best, result.map_worst, result.map_stable):
        assert score == pytest.approx(reference, abs=1e-12)
    assert map_numpy_argsort(np.zeros((1, bits), bool), np.array([1]), database, labels) == pytest.approx(reference)


@pytest.mark.skipif(not helpers.is_installed("torch"), reason="torchmetrics needs PyTorch")
def test_agrees_with_torchmetrics_without_ties(tmp_path):
    bits = 300
    database = np.tril(np.ones((bits, bits), bool))
    generator = np.random.RandomState(8)
    labels = generator.randint(0, 3, bits)
    queries, query_labels = np.stack([np.zeros(bits, bool), np.ones(bits, bool)]), np.array([1, 2])
    relevant = query_labels[:, None] == labels
    np.savez(tmp_path / "in.npz", scores=bits + 1 - (queries[:, None] != database).sum(axis=2), relevant=relevant)
    theirs = json.loads(helpers.child("torch", "torchmetrics_map", tmp_path / "in.npz", 50).stdout)
    for topk, value in ((None, theirs["all"]), (50, theirs["topk"])):
        result = evaluate(queries, query_labels, database, labels, topk=topk)
        assert result.map_expected == pytest.approx(value, abs=1e-6)  # theirs is float32


def test_ports_rule_depends_on_the_order_and_stays_between_the_bounds():
    queries, query_labels, database, labels = example(9, 8, 50, 2000, 5)
    order = np.argsort(labels, kind="stable")
    result = evaluate(queries, query_labels, database, labels)
    values = [map_numpy_argsort(queries, query_labels, database[rows], labels[rows]) for rows in (order, order[::-1])]
    assert values[0] != values[1]
    assert all(result.map_worst <= value <= result.map_best for value in values)
    # -1, as the published implementations call it, leaves out the last item
    fewer = map_numpy_argsort(queries, query_labels, database, labels, topk=-1)
    assert fewer == pytest.approx(map_numpy_argsort(queries, query_labels, database, labels, topk=1999))


def test_degenerate_cases_have_a_result():
    codes, labels = np.array([[True, False], [False, False]]), np.array([0, 1])
    result = evaluate(codes, np.array([0, 9]), codes, labels)
    assert (result.queries_without_relevant, result.map_expected) == (1, 0.5)
    nothing = evaluate(codes, np.array([7, 9]), codes, labels)
    assert (nothing.queries_without_relevant, nothing.map_expected, nothing.map_stable) == (2, 0.0, 0.0)
    everything = evaluate(codes, np.array([0, 0]), codes, np.array([0, 0]))
    assert everything.map_worst == everything.map_best == 1.0
    alone = evaluate(codes[:1], labels[:1], codes[:1], labels[:1], exclude_self=True)
    assert (alone.counts.sum(), alone.map_expected) == (0, 0.0)
    assert alone.other_scores()["precision_at"] == {}


CODES, LABELS = np.zeros((2, 4), bool), np.zeros(2, int)
SIGNS = np.array([[1.0, -1, 0, 1], [1, 1, -1, 0]])


@pytest.mark.parametrize(
    ("queries", "labels", "options", "message"),
    [
        (np.zeros((0, 4), bool), np.zeros(0, int), {}, r"non-empty array \(N, bits\), received shape \(0, 4\)"),
        (np.zeros(4, bool), LABELS, {}, "non-empty array"),
        (np.full((2, 4), 0.3), LABELS, {}, "received 0.3"),
        (np.full((2, 4), np.nan), LABELS, {}, "received nan"),
        (np.full((2, 4), "a"), LABELS, {}, "numbers or bool"),
        (SIGNS, LABELS, {}, "2 zeros among -1 and"),
        (SIGNS, LABELS, {"zeros": "positive"}, "refuse, negative"),
        (CODES, LABELS, {"bits": 5}, "expected 5 bits"),
        (np.zeros((2, 1), np.uint64), LABELS, {"bits": 65}, r"packed \(N, 2\), received uint64 \(2, 1\)"),
        (np.full((2, 1), 2**63, np.uint64), LABELS, {"bits": 4}, "every bit from 4 on"),
        (np.zeros((2, 4097), bool), LABELS, {}, "1 to 4096 bits"),
        (np.zeros((2, 5), bool), LABELS, {}, "one bit count, received 5 for queries, 4"),
        (CODES, np.zeros(3, int), {}, r"expected \(2,\)"),
        (CODES, np.full(2, 0.5), {}, "whole numbers"),
        (CODES, np.full(2, np.inf), {}, "whole numbers, received 2 others, such as inf"),
        (CODES, np.array([3, -1]), {}, "from 0 on, received 1 negative ones, such as -1"),
        (CODES, np.array(["a", "b"]), {}, "number the classes, those of both sides together"),
        (CODES, np.zeros((3, 2), int), {}, "they look transposed: pass labels.T"),
        (CODES, np.zeros(4, int), {}, r"the codes \(2, 4\) look transposed: pass codes.T"),
        (CODES, np.array(1), {}, r"received \(\)"),
        (CODES, np.full((2, 3), 2), {}, "multi-hot rows of 0 and 1"),
        (CODES, np.zeros((2, 3), int), {}, "class ids for both"),
        (CODES, LABELS, {"topk": 0}, "whole number from 1 on"),
        (CODES, LABELS, {"topk": -1}, "or none for the whole ranking"),
        (CODES, LABELS, {"topk": -(10**30)}, "received a number of 100 bits"),
        (CODES, LABELS, {"denominator": "some"}, "found, all, min"),
        (CODES, LABELS, {"exclude_self": np.array([0, 9])}, "positions from -1 to 2"),
        (CODES, LABELS, {"exclude_self": np.zeros(5, int)}, "expected 2 whole numbers"),
    ],
)
def test_wrong_input_is_refused(queries, labels, options, message):
    with pytest.raises(UserError, match=message):
        evaluate(queries, labels, np.zeros((3, 4), bool), np.zeros(3, int), **options)


@pytest.mark.parametrize("denominator", ["found", "all", "min"])
def test_a_cut_beyond_the_last_item_is_none(denominator):
    whole, cut = (evaluate(*example(9), topk=topk, denominator=denominator) for topk in (60, 10**30))
    assert cut.ap_expected.tolist() == whole.ap_expected.tolist()
    assert cut.ap_stable.tolist() == whole.ap_stable.tolist()


@pytest.mark.parametrize(
    "form", [lambda y: y[:, None], lambda y: y[None], lambda y: y.astype(">f8"), lambda y: np.eye(3)[y]]
)
def test_labels_may_be_a_column_a_row_reals_or_rows(form):
    queries, query_labels, database, labels = example(10)
    scores = evaluate(queries, form(query_labels), database, form(labels))
    assert scores.ap_stable.tolist() == evaluate(queries, query_labels, database, labels).ap_stable.tolist()


def test_zeros_may_be_taken_for_minus_one():
    database = np.zeros((3, 4), bool)
    as_negative = evaluate(SIGNS, LABELS, database, np.zeros(3, int), zeros="negative")
    assert as_negative.counts.tolist() == evaluate(SIGNS > 0, LABELS, database, np.zeros(3, int)).counts.tolist()


def test_progress_counts_every_pair_twice():
    seen = []
    evaluate(*example(2, 12, 100, 50), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (2 * 100 * 50, 2 * 100 * 50)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@given(seed=st.integers(0, 2**32 - 1), bits=st.integers(1, 200))
def test_packing_there_and_back(seed, bits):
    codes = np.random.RandomState(seed).rand(7, bits) > 0.5
    words = pack_codes(codes)
    assert words.dtype == np.uint64
    assert words.shape == (7, -(-bits // 64))
    np.testing.assert_array_equal(unpack_codes(words, bits), codes)
