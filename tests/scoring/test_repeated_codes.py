"""Codes that repeat are counted together, to the last bit as item by item, and as plain NumPy does it."""

import json
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.codes.packing import pack_codes
from shared.scoring import counting, hamming
from shared.scoring.argsort_map import map_numpy_argsort
from shared.scoring.counting import Side, distance_counts, stable_sums
from shared.scoring.grouping import group_rows, group_values, label_words
from shared.scoring.retrieval import evaluate


class Sample(NamedTuple):
    queries: np.ndarray
    query_labels: np.ndarray
    codes: np.ndarray
    labels: np.ndarray
    own: np.ndarray  # positions to leave out


@st.composite
def samples(draw):
    """Codes drawn from few or from many, labels of one class or of several, in no order or class after class."""
    generator = np.random.RandomState(draw(st.integers(0, 2**32 - 1)))
    bits, items, queries = draw(st.integers(1, 140)), draw(st.integers(1, 300)), draw(st.integers(1, 40))
    known = generator.rand(draw(st.sampled_from([1, 2, 5, 40, 1000])), bits) > 0.5
    kinds = generator.rand(draw(st.integers(1, 12)), 5) < 0.3 if draw(st.booleans()) else np.arange(4)
    kind = generator.randint(0, len(kinds), items)
    kind = np.sort(kind) if draw(st.booleans()) else kind
    codes = known[generator.randint(0, len(known), items)]
    positions = generator.randint(0, items, queries)
    own = np.where(generator.rand(queries) < draw(st.sampled_from([0.0, 0.5, 1.0])), positions, -1)
    asked = np.where((own >= 0)[:, None], codes[positions], known[generator.randint(0, len(known), queries)])
    return Sample(asked, kinds[kind[positions]], codes, kinds[kind], own)


def sides(sample):
    return Side(pack_codes(sample.queries), sample.query_labels), Side(pack_codes(sample.codes), sample.labels)


def related(one, labels):
    return labels == one if labels.ndim == 1 else (labels & one).any(axis=1)


def plain_sum(distance, relevant, own, topk, block):
    """Precisions at the relevant items, added up in the order of the positions: block after block, own item apart."""
    kept = np.arange(len(distance)) != own
    order = np.argsort(distance[kept], kind="stable")
    rank, hits = np.empty((2, len(order)), int)
    rank[order], hits[order] = np.arange(1, len(order) + 1), np.cumsum(relevant[kept][order])
    counted = relevant[kept] & (rank <= topk)
    total = 0.0
    ends = {*range(0, len(distance), block), len(distance), *((own, own + 1) if own >= 0 else ())}
    for start, stop in zip(sorted(ends)[:-1], sorted(ends)[1:], strict=True):
        part = counted & (np.flatnonzero(kept) >= start) & (np.flatnonzero(kept) < stop)
        total += np.cumsum(np.append(0.0, hits[part] / rank[part]))[-1]
    return total, counted.sum()


@settings(max_examples=120, deadline=None)
@given(sample=samples(), topk=st.integers(1, 320), block=st.sampled_from([16, 100, 2**16]))
def test_counts_and_sums_are_those_of_plain_numpy(sample, topk, block):
    (asking, database), bits = sides(sample), sample.codes.shape[1]
    left_out = np.roll(sample.own, 1)  # whatever its label
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "_BLOCK", block)
        patch.setattr(counting, "_PAIRS", 64)  # several portions of the queries
        items, relevant = distance_counts(asking, database, bits, left_out)
        sums = stable_sums(asking, database, items, relevant, topk, left_out)
    for query, own in enumerate(left_out):
        distance = (sample.queries[query] != sample.codes).sum(axis=1)
        flags, kept = related(sample.query_labels[query], sample.labels), np.arange(len(distance)) != own
        assert items[query].tolist() == np.bincount(distance[kept], minlength=bits + 1).tolist()
        assert relevant[query].tolist() == np.bincount(distance[kept & flags], minlength=bits + 1).tolist()
        assert (sums.precisions[query], sums.hits[query]) == plain_sum(distance, flags, own, topk, block)


@settings(max_examples=60, deadline=None)
@given(
    sample=samples(),
    topk=st.sampled_from([None, 1, 7, 100]),
    denominator=st.sampled_from(["found", "all", "min"]),
    block=st.sampled_from([50, 2**16]),
)
def test_every_score_has_the_bits_of_counting_item_by_item(sample, topk, denominator, block):
    results = []
    for repeated in (counting._REPEATED, 10**9):  # no code is there so often that equal ones are counted together
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(counting, "_BLOCK", block)
            patch.setattr(counting, "_REPEATED", repeated)
            results.append(evaluate(*sample[:4], topk=topk, denominator=denominator, exclude_self=sample.own))
    grouped, plain = results
    for name in ("ap_expected", "ap_best", "ap_worst", "ap_stable", "counts", "relevant"):
        assert getattr(grouped, name).tobytes() == getattr(plain, name).tobytes()
    assert json.dumps(grouped.other_scores()) == json.dumps(plain.other_scores())
    if grouped.counts.any():
        assert [curve.tobytes() for curve in grouped.rank_curve] == [curve.tobytes() for curve in plain.rank_curve]


@settings(max_examples=40, deadline=None)
@given(sample=samples(), seed=st.integers(0, 2**32 - 1))
def test_order_of_database_and_of_queries_changes_nothing(sample, seed):
    generator = np.random.RandomState(seed)
    items, queries = generator.permutation(len(sample.codes)), generator.permutation(len(sample.queries))
    place = np.append(np.argsort(items), -1)  # of each item, and of none
    first = evaluate(*sample[:4], exclude_self=sample.own)
    asked = sample.queries[queries], sample.query_labels[queries]
    moved = evaluate(*asked, sample.codes[items], sample.labels[items], exclude_self=place[sample.own[queries]])
    for name in ("ap_expected", "ap_best", "ap_worst", "counts", "relevant"):
        assert getattr(moved, name).tobytes() == getattr(first, name)[queries].tobytes()


def fail(*arguments):
    raise AssertionError("this way is not to be taken")


def test_each_block_is_counted_the_cheaper_way(monkeypatch):
    monkeypatch.setattr(counting, "_BLOCK", 1000)
    different = np.random.RandomState(0).rand(1000, 64) > 0.5
    labels = np.arange(1000) % 10
    few = different[np.arange(1000) % 7]
    monkeypatch.setattr(hamming, "count_items", fail)
    monkeypatch.setattr(hamming, "add_items_in_order", fail)
    repeated = evaluate(different[:9], labels[:9], few, labels)
    with pytest.raises(AssertionError, match="not to be taken"):
        evaluate(different[:9], labels[:9], different, labels)
    monkeypatch.undo()
    monkeypatch.setattr(counting, "_BLOCK", 1000)
    mixed = evaluate(different[:9], labels[:9], np.concatenate([few, different]), np.concatenate([labels, labels]))
    alone = evaluate(different[:9], labels[:9], different, labels)
    assert (mixed.counts == repeated.counts + alone.counts).all()
    monkeypatch.setattr(hamming, "count_groups", fail)
    monkeypatch.setattr(hamming, "add_groups_in_order", fail)
    assert evaluate(different[:9], labels[:9], different, labels).ap_stable.tolist() == alone.ap_stable.tolist()


def test_equal_queries_are_worked_on_once_and_all_count_as_done(monkeypatch):
    codes, labels = np.eye(4, dtype=bool)[np.arange(100) % 4], np.arange(100) % 2
    rows, seen, count = [], [], hamming.count_groups
    monkeypatch.setattr(hamming, "count_groups", lambda *state: (rows.append(len(state[0])), count(*state)))
    evaluate(codes, labels, codes, labels, progress=lambda done, total: seen.append((done, total)))
    assert sum(rows) == 4
    assert seen[-1] == (2 * 100 * 100, 2 * 100 * 100)


def test_the_ports_sort_weighs_equal_queries_by_their_number():
    generator = np.random.RandomState(3)
    codes, labels = generator.rand(200, 6) > 0.5, generator.randint(0, 3, 200)
    alone = [map_numpy_argsort(codes[i : i + 1], labels[i : i + 1], codes, labels) for i in range(4)]
    asked = np.array([0, 1, 1, 2, 2, 2, 3, 0, 2])
    assert map_numpy_argsort(codes[asked], labels[asked], codes, labels) == np.mean([alone[i] for i in asked])


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 200), st.integers(1, 3)),
    values=st.integers(1, 9),
    scale=st.sampled_from([1, 2**20, 2**32, 2**60]),  # what differs in the highest bits alone, too
)
def test_groups_are_the_equal_rows_by_first_appearance(seed, shape, values, scale):
    rows = np.random.RandomState(seed).randint(0, values, shape).astype(np.uint64) * np.uint64(scale)
    known = list(dict.fromkeys(map(tuple, rows.tolist())))
    groups = group_rows(rows, most=len(known))
    assert [tuple(row) for row in rows[groups.first].tolist()] == known
    assert (rows[groups.first[groups.of_row]] == rows).all()
    assert groups.sizes.tolist() == np.bincount(groups.of_row).tolist()
    assert groups.first.tolist() == [groups.of_row.tolist().index(group) for group in range(len(known))]
    assert group_rows(rows, most=len(known) - 1) is None
    assert [array.tolist() for array in group_rows(rows)] == [array.tolist() for array in groups]


@given(values=st.lists(st.integers(0, 2**62), min_size=1, max_size=50))
def test_different_values_are_those_of_numpy(values):
    expected = np.unique(np.array(values), return_inverse=True)
    assert [array.tolist() for array in group_values(np.array(values))] == [array.tolist() for array in expected]


def test_grouping_many_rows_of_close_codes():
    rows = np.arange(300_000, dtype=np.uint64)[:, None] // np.uint64(3) << np.uint64(40)
    groups = group_rows(rows)
    assert groups.of_row.tolist() == np.repeat(np.arange(100_000), 3).tolist()
    assert group_rows(rows, most=99_999) is None


@pytest.mark.parametrize(
    "labels",
    [
        np.array([0, 3, 0, 255], np.uint8),
        np.array([True, False, True]),
        np.array([0.0, -0.0, 2.0, 1e300, 2.0]),
        np.array([1, 2, 1, 3], ">f4"),
        np.array([2**53, 2**53 + 1, 2**53], np.longdouble),
        np.array([2**63 + 1, 2**63, 2**63 + 1], np.uint64),
        np.array([[1, 0], [0, 0], [1, 0], [1, 1]], np.float32),
        np.eye(130, dtype=bool)[[0, 129, 64, 129]],
    ],
    ids=lambda labels: f"{labels.dtype}{labels.shape}",
)
def test_words_of_labels_are_equal_where_labels_are(labels):
    words = label_words(labels)
    assert words.dtype == np.uint64
    same = [[bool((one == other).all()) for other in labels] for one in labels]
    assert [[bool((one == other).all()) for other in words] for one in words] == same
