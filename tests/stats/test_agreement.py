"""How far two runs are apart query by query, and the table that puts the frameworks beside their controls."""

import dataclasses

import numpy as np
import pytest

from compare.stats.agreement import over_lengths, queries_apart
from compare.tables.table import write_table
from shared.system.errors import UserError
from shared.training.runs import run_of
from tests.agreement_rows import (
    BASE,
    ITEMS,
    QUERIES,
    RECIPE,
    codes_of,
    finish_with_codes,
    flipped,
    rows_of,
    write_suite,
)
from tests.rows import cells, finish, plan


def test_queries_by_numpy():
    generator = np.random.RandomState(1)
    first, second = generator.rand(1000), generator.rand(1000)
    found = queries_apart(first.tolist(), second.tolist())
    assert (found.queries, found.changed) == (1000, np.count_nonzero(np.abs(first - second) > 0.05))
    assert found.mean == pytest.approx(np.abs(first - second).mean(), rel=1e-12)
    assert queries_apart([0.5, 0.5], [0.5, 0.56]) == queries_apart([0.5, 0.56], [0.5, 0.5])
    with pytest.raises(UserError, match="APs: expected the same queries on both sides, received 2 and 1"):
        queries_apart([0.5, 0.5], [0.5])


def test_a_row_for_each_comparison_and_length(tmp_path):
    rows = rows_of(write_suite(tmp_path))
    assert [(row.bits, row.control, row.frameworks, row.n) for row in rows] == [
        ((length,), *what, 2)
        for length in (12, 48)
        for what in (("", ("paddle", "torch")), ("threads", ("torch", "torch")))
    ]
    frameworks, control = rows[:2]
    assert frameworks.score == pytest.approx(0.015)
    assert (frameworks.queries.queries, frameworks.queries.changed) == (4, 1.5)
    assert frameworks.queries.mean == pytest.approx((0.1 + 0.03 + 0.002 + 0.05) / 4)
    assert frameworks.shares == pytest.approx((3 / (QUERIES * 12), 24 / (ITEMS * 12)))
    assert control.score == pytest.approx(0.004)
    assert control.shares == pytest.approx((0, 12 / (ITEMS * 12)))


def test_lengths_count_once_and_only_where_all_have_them(tmp_path):
    out = write_suite(tmp_path)
    alone = dataclasses.replace(RECIPE, bits=48, seed=3)  # a third pair at 48 bits, without a control
    for framework, score in (("torch", 0.5), ("paddle", 0.53)):
        finish_with_codes(out, alone, framework, score, [0.1] * 4, codes_of(BASE))
    longest = dataclasses.replace(RECIPE, bits=24, seed=1)
    for framework in ("torch", "paddle"):
        finish_with_codes(out, longest, framework, 0.9, [0.1] * 4, codes_of(BASE[:, :24]))
    frameworks, control = over_lengths(rows_of(out))
    assert (frameworks.bits, control.bits) == ((12, 48), (12, 48))
    assert (frameworks.n, control.n) == (5, 4)
    assert frameworks.score == pytest.approx((0.015 + 0.02) / 2)
    assert over_lengths([]) == []
    of_12 = [row for row in rows_of(out) if row.bits == (12,)][:1]
    of_48 = [row for row in rows_of(out) if row.bits == (48,)][1:]
    assert over_lengths([*of_12, *of_48]) == []


def test_table_and_its_last_sentence(tmp_path):
    text = write_table(write_suite(tmp_path))
    assert cells(text.split("How far two runs of one length and seed are apart")[1])[:2] == [
        {
            "bits": "12",
            "runs": "Paddle and PyTorch",
            "n": "2",
            "mAP": "0.0150",
            "AP off > 0.05": "2 of 4",
            "mean AP": "0.0455",
            "query bits": "6.25 %",
            "database bits": "12.50 %",
        },
        {
            "bits": "12",
            "runs": "PyTorch, 1 vs 2 threads",
            "n": "2",
            "mAP": "0.0040",
            "AP off > 0.05": "1 of 4",
            "mean AP": "0.0250",
            "query bits": "0.00 %",
            "database bits": "6.25 %",
        },
    ]
    assert text.splitlines()[-1] == (
        "Over 12 and 48 bits, Paddle and PyTorch are apart by 0.0150 mAP, more than 0.05 AP at 2 of 4 queries and "
        "7.8 % of the database's code bits (n = 4); a framework is apart from itself by 0.0040 mAP, more than 0.05 AP "
        "at 1 of 4 queries and 3.9 % of the database's code bits (PyTorch, 1 vs 2 threads, n = 4)."
    )


def test_several_controls_are_a_range_in_the_last_sentence(tmp_path):
    out = write_suite(tmp_path, bits=(12,))
    own_dropout = dataclasses.replace(RECIPE, dropout="native", seed=1)
    finish_with_codes(
        out / "control/dropout", own_dropout, "paddle", 0.53, [0.2, 0.17, 0.402, 0.5], flipped(BASE[:, :12], 3, 25)
    )
    sentence = write_table(out).splitlines()[-1]
    assert sentence.endswith(
        "; a framework is apart from itself by 0.0040 to 0.0200 mAP, more than 0.05 AP at 1 of 4 queries and 0.5 to "
        "6.2 % of the database's code bits (2 controls, each n = 1 to 2)."
    )


def test_the_last_sentence_says_what_was_not_measured(tmp_path):
    plan(tmp_path)
    for framework in ("torch", "paddle"):
        finish_with_codes(tmp_path, RECIPE, framework, 0.5, [0.5] * 4, codes_of(BASE[:, :12]))
    text = write_table(tmp_path)
    assert text.endswith("(n = 1); how far a framework is from itself was not measured (--control).")
    finish_with_codes(tmp_path / "control/threads", RECIPE, "torch", 0.5, [0.5] * 4, codes_of(BASE[:, :12]))
    longer = dataclasses.replace(RECIPE, bits=24)
    for out, framework in ((tmp_path, "paddle"), (tmp_path / "control/threads", "paddle")):
        finish_with_codes(out, longer, framework, 0.5, [0.5] * 4, codes_of(BASE[:, :24]))
    assert write_table(tmp_path).endswith(
        "No length has all of these comparisons yet, so they are not put beside one another in a sentence."
    )


def test_a_comparison_across_devices_is_named(tmp_path):
    """A run that was resumed on another machine, or has its control from there, differs by the machine too."""
    out = write_suite(tmp_path)
    assert "across devices" not in write_table(out)
    finish(out, dataclasses.replace(RECIPE, seed=1), "paddle", 0.5, device="a card")
    control = dataclasses.replace(RECIPE, bits=48, seed=2)
    finish(out / "control/threads", control, "torch", 0.5, threads=1, device="a card")
    note = (
        "- Compared across devices, so the device is part of the difference: Paddle and PyTorch, 1 of 4 (a card and a "
        "device); PyTorch, 1 vs 2 threads, 1 of 4 (a card and a device)."
    )
    assert note in write_table(out).splitlines()


def test_a_twin_with_other_queries_is_refused(tmp_path):
    out = write_suite(tmp_path, seeds=(1,), bits=(12,))
    run_of(out, "paddle", 12, 1).write_queries({"average_precision": [0.5]})
    with pytest.raises(
        UserError, match=r"bits12-seed1 and .*: expected the same queries on both sides, received 1 and 4"
    ):
        rows_of(out)
