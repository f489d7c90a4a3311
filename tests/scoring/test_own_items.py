"""Leaving a query out of its own ranking: only where it is known which item it is."""

import json
import sys

import numpy as np
import pytest

from compare import evaluate as evaluate_command
from compare import retrieve
from shared.scoring.own_items import positions_of
from shared.scoring.retrieval import evaluate
from shared.system.errors import UserError, exit_status
from tests.scoring.test_retrieval import example, stable_ap

QUERIES, QUERY_LABELS, ITEMS, LABELS = example(8, 24, 20, 150, 4)
# the queries are items 150 and on
ALL, ALL_LABELS = np.concatenate([ITEMS, QUERIES]), np.concatenate([LABELS, QUERY_LABELS])


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """A command in this process, on files of ``tmp_path``: its status, and what it wrote."""
    monkeypatch.chdir(tmp_path)

    def call(module, *arguments):
        monkeypatch.setattr(sys, "argv", ["command", *map(str, arguments)])
        return exit_status(module.main), *capsys.readouterr()

    return call


def write(name, codes, labels, **more):
    np.savez(name, codes=codes, labels=labels, **more)


def stable_map(codes, labels, others, other_labels, own):
    """The NumPy reference: each ranking sorted by NumPy, without the query's own item."""
    precisions = []
    for code, label, position in zip(codes, labels, own, strict=True):
        kept = np.arange(len(others)) != position
        precisions.append(stable_ap((code != others[kept]).sum(axis=1), other_labels[kept] == label))
    return np.mean(precisions)


def test_queries_first_in_the_database_are_left_out():
    database, labels = np.concatenate([QUERIES, ITEMS]), np.concatenate([QUERY_LABELS, LABELS])
    result = evaluate(QUERIES, QUERY_LABELS, database, labels, exclude_self=True)
    expected = stable_map(QUERIES, QUERY_LABELS, database, labels, range(20))
    assert result.map_stable == pytest.approx(expected, abs=1e-12)
    assert expected != pytest.approx(evaluate(QUERIES, QUERY_LABELS, database, labels).map_stable, abs=1e-3)


def test_queries_elsewhere_in_the_database_are_refused():
    with pytest.raises(UserError, match="received 0 of 20 that agree, query 0 is the first that does not; put the"):
        evaluate(QUERIES, QUERY_LABELS, ALL, ALL_LABELS, exclude_self=True)


@pytest.mark.parametrize("what", ["code", "label", "multi-hot label", "too few items"])
def test_a_single_query_that_is_another_item_is_refused(what):
    codes, labels = QUERIES.copy(), QUERY_LABELS.copy()
    hot = what == "multi-hot label"
    if what == "code":
        codes[7, 3] ^= True
    elif what != "too few items":
        labels[7] = (labels[7] + 1) % 4
    one_hot = np.eye(4)
    sides = (QUERIES, one_hot[QUERY_LABELS] if hot else QUERY_LABELS), (codes, one_hot[labels] if hot else labels)
    rows = 7 if what == "too few items" else 20
    agreeing = 7 if what == "too few items" else 19
    with pytest.raises(UserError, match=f"received {agreeing} of 20 that agree, query 7 is the first"):
        evaluate(*sides[0], sides[1][0][:rows], sides[1][1][:rows], exclude_self=True)


def test_positions_of_items_with_another_label_are_refused():
    own = np.arange(150, 170)
    result = evaluate(QUERIES, QUERY_LABELS, ALL, ALL_LABELS, exclude_self=own)
    assert result.map_stable == pytest.approx(stable_map(QUERIES, QUERY_LABELS, ALL, ALL_LABELS, own), abs=1e-12)
    flipped = evaluate(~QUERIES, QUERY_LABELS, ALL, ALL_LABELS, exclude_self=own)  # the codes may be another model's
    assert flipped.counts.sum() == 20 * 169
    other = next(i for i in range(150) if LABELS[i] != QUERY_LABELS[4])
    own[4] = other
    with pytest.raises(UserError, match=f"received 1 of 20 with another; query 4, item {other}, is the first"):
        evaluate(QUERIES, QUERY_LABELS, ALL, ALL_LABELS, exclude_self=own)


def test_numbers_are_found_wherever_they_stand():
    items = np.array([30, 10, 20, 99])
    assert positions_of(np.array([99, 20, 7, 30, 100]), items).tolist() == [3, 2, -1, 0, -1]


@pytest.mark.parametrize("module", [evaluate_command, retrieve])
def test_both_commands_refuse_what_they_cannot_place(command, module):
    write("q.npz", QUERIES, QUERY_LABELS)
    write("d.npz", ALL, ALL_LABELS)
    status, out, err = command(module, "--query", "q.npz", "--database", "d.npz", "--exclude-self")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "0 of 20 that agree" in err
    for more in ((), ("--exclude-self",)):
        status, out, err = command(module, "--query", "q.npz", *more)
        assert (status, out) == (2, "")
        assert err == (
            "error: --database: expected a file, since q.npz holds one side alone; to search it with its own codes: "
            "--database q.npz --exclude-self\n"
        )


def test_an_index_in_both_files_says_which_items_the_queries_are(command):
    order = np.random.RandomState(1).permutation(170)
    write("q.npz", QUERIES, QUERY_LABELS, index=np.arange(150, 170) * 7)
    write("d.npz", ALL[order], ALL_LABELS[order], index=order * 7)
    arguments = ("--query", "q.npz", "--database", "d.npz", "--exclude-self")
    status, out, err = command(evaluate_command, *arguments)
    expected = stable_map(QUERIES, QUERY_LABELS, ALL[order], ALL_LABELS[order], np.argsort(order)[150:])
    assert (status, err) == (0, "")
    assert "20 queries, 169 items" in out
    assert f"{expected:.4f}            by distance, then by position" in out
    status, out, _ = command(retrieve, *arguments, "-k", 170, "--json")
    rankings = [[hit["position"] for hit in json.loads(line)["nearest"]] for line in out.splitlines()]
    assert status == 0
    for query, positions in enumerate(rankings):
        assert set(range(170)) - set(positions) == {order.tolist().index(150 + query)}


INDICES = {
    "of other images": (np.arange(20), np.arange(170), "expected each query to have the label of the item that it is"),
    "twice": (
        np.arange(20),
        np.arange(170) // 2,
        "an index of different numbers for the database, received some twice",
    ),
    "too short": (
        np.arange(19),
        np.arange(170),
        r"query index: expected 20 whole numbers, one for each code, received",
    ),
    "no numbers": (np.full(20, np.nan), np.arange(170), "query index: expected 20 whole numbers"),
}


@pytest.mark.parametrize(("ours", "theirs", "message"), INDICES.values(), ids=INDICES.keys())
def test_an_index_that_cannot_be_right_is_refused(command, ours, theirs, message):
    write("q.npz", QUERIES, QUERY_LABELS, index=ours)
    write("d.npz", ALL, ALL_LABELS, index=theirs)
    arguments = ("--query", "q.npz", "--database", "d.npz")
    status, _, err = command(evaluate_command, *arguments, "--exclude-self")
    assert (status, err.count("\n")) == (2, 1)
    assert message in err
    assert command(evaluate_command, *arguments)[0] == 0  # who does not ask for it does not need it


def test_what_finds_itself_is_said(command):
    write("q.npz", QUERIES, QUERY_LABELS)
    write("copy.npz", QUERIES, QUERY_LABELS)
    write("d.npz", ITEMS, LABELS)
    for database in ("q.npz", "copy.npz"):
        assert "finds itself at distance 0" in command(evaluate_command, "--query", "q.npz", "--database", database)[2]
    status, out, err = command(evaluate_command, "--query", "q.npz", "--database", "q.npz", "--exclude-self")
    assert (status, err) == (0, "")
    assert "20 queries, 19 items" in out
    assert command(evaluate_command, "--query", "q.npz", "--database", "d.npz")[2] == ""


def test_queries_that_are_no_items_are_all_kept(command):
    write("q.npz", QUERIES, QUERY_LABELS, index=np.arange(20))
    write("d.npz", ITEMS, LABELS, index=np.arange(20, 170))
    arguments = ("--query", "q.npz", "--database", "d.npz")
    status, out, err = command(evaluate_command, *arguments, "--exclude-self")
    assert (status, out) == command(evaluate_command, *arguments)[:2]
    assert err == "note: --exclude-self: by index no query is an item of the database; none is left out\n"


def test_a_query_alone_is_refused(command):
    write("q.npz", QUERIES[:1], QUERY_LABELS[:1])
    status, out, err = command(evaluate_command, "--query", "q.npz", "--database", "q.npz", "--exclude-self")
    assert (status, out) == (2, "")
    assert "expected items besides the query itself" in err


def test_the_published_ports_leave_nothing_out(command):
    write("q.npz", QUERIES, QUERY_LABELS)
    words = ("--query", "q.npz", "--database", "q.npz", "--exclude-self", "--argsort")
    assert command(evaluate_command, *words)[2].startswith(
        "error: --argsort: the published implementations rank every item"
    )
