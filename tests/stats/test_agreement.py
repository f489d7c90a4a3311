"""How far two runs are apart query by query and bit by bit: known answers, and what is kept when the codes are gone."""

import dataclasses
import json

import numpy as np
import pytest

from compare.page.data import read_suite
from compare.stats.agreement import distances, over_lengths, queries_apart
from compare.stats.code_bits import AGREEMENT_FILE, bits_apart, measure_bits, write_bits
from compare.stats.gather import gather
from compare.stats.twins import twins_of
from compare.tables.table import make_table, write_table
from shared.codes.codes import Codes
from shared.codes.packing import pack_codes
from shared.system.errors import UserError
from shared.system.files import write_json
from shared.training.runs import run_of
from tests.rows import PAPER, cells, finish, plan

QUERIES, ITEMS = 4, 16
RECIPE = dataclasses.replace(PAPER, bits=12)
BASE = np.random.RandomState(0).rand(QUERIES + ITEMS, 48) > 0.5


def codes_of(bits):
    """Codes of the bits, bool (queries + items, length)."""
    labels = np.arange(len(bits)) % 10
    return Codes(np.arange(len(bits)) + 100, labels, pack_codes(bits), np.ones(bits.shape, np.float32), labels, QUERIES)


def flipped(bits, queries, items):
    """The codes with so many bits of the queries and of the database the other way round."""
    other = bits.copy()
    other[:QUERIES].flat[:queries] ^= True
    other[QUERIES:].flat[:items] ^= True
    return codes_of(other)


def finish_with_codes(out, recipe, framework, score, precisions, codes, **more):
    finish(out, recipe, framework, score, precisions=precisions, checkpoint_sha256=f"{out.name}{framework}", **more)
    run = run_of(out, framework, recipe.bits, recipe.seed)
    codes.save(run.codes_file)
    return run


def write_suite(out, seeds=(1, 2), bits=(12, 48)):
    """Both frameworks at two lengths, and a control on other threads; Paddle differs in 3 query bits and 24 others."""
    plan(out, bits=bits, seeds=seeds)
    for length in bits:
        base = BASE[:, :length]
        for seed in seeds:
            recipe = dataclasses.replace(RECIPE, bits=length, seed=seed)
            finish_with_codes(out, recipe, "torch", 0.5, [0.1, 0.2, 0.3, 0.4], codes_of(base))
            # two queries differ by more than 0.05 at seed 1, one at the others
            precisions = [0.2, 0.17, 0.302, 0.5 if seed == 1 else 0.4]
            finish_with_codes(out, recipe, "paddle", 0.5 + 0.01 * seed, precisions, flipped(base, 3, 24))
            control = out / "control/threads"
            finish_with_codes(control, recipe, "torch", 0.496, [0.1, 0.2, 0.3, 0.5], flipped(base, 0, 12), threads=1)
    return out


def rows_of(out):
    twins = twins_of(gather([out]))
    return distances(twins, measure_bits(twins, [out]).shares)


def test_queries_by_numpy():
    generator = np.random.RandomState(1)
    first, second = generator.rand(1000), generator.rand(1000)
    found = queries_apart(first.tolist(), second.tolist())
    assert (found.queries, found.changed) == (1000, np.count_nonzero(np.abs(first - second) > 0.05))
    assert found.mean == pytest.approx(np.abs(first - second).mean(), rel=1e-12)
    assert queries_apart([0.5, 0.5], [0.5, 0.56]) == queries_apart([0.5, 0.56], [0.5, 0.5])
    with pytest.raises(UserError, match="APs: expected the same queries on both sides, received 2 and 1"):
        queries_apart([0.5, 0.5], [0.5])


@pytest.mark.parametrize("length", [1, 12, 48, 64, 65, 130])
def test_bits_by_numpy(length):
    generator = np.random.RandomState(length)
    first, second = (generator.rand(QUERIES + ITEMS, length) > 0.4 for _ in range(2))
    found = bits_apart(codes_of(first), codes_of(second))
    assert found.queries == pytest.approx(np.mean(first[:QUERIES] != second[:QUERIES]), rel=1e-12)
    assert found.database == pytest.approx(np.mean(first[QUERIES:] != second[QUERIES:]), rel=1e-12)
    assert bits_apart(codes_of(first), codes_of(first)) == (0, 0)
    assert bits_apart(codes_of(first), codes_of(~first)) == (1, 1)


def test_bits_apart_are_a_distance():
    """Nothing between a run and itself, the same in both directions, and no way round is shorter."""
    generator = np.random.RandomState(3)
    for length in (1, 12, 70):
        first, second, third = (codes_of(generator.rand(QUERIES + ITEMS, length) > share) for share in (0.3, 0.5, 0.7))
        there, back, by_way = bits_apart(first, second), bits_apart(second, first), bits_apart(second, third)
        assert there == back
        assert bits_apart(first, first) == (0, 0)
        for side, direct in enumerate(bits_apart(first, third)):
            assert 0 < direct <= there[side] + by_way[side]


def test_codes_of_other_images_are_refused():
    base = codes_of(BASE)
    for other in (
        dataclasses.replace(base, index=base.index[::-1]),
        dataclasses.replace(base, num_queries=3),
        codes_of(BASE[:, :12]),
        codes_of(BASE[:-1]),
    ):
        with pytest.raises(UserError, match=r"codes: expected those of the same .* received 4 \+ 16 codes of 48 bits"):
            bits_apart(base, other)


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


def test_it_stays_when_the_codes_are_gone(tmp_path):
    out = write_suite(tmp_path / "suite")
    before = write_table(out)
    for file in out.rglob("codes.npz"):
        file.unlink()
    assert write_table(out) == before
    write_table(out, into=tmp_path / "again")
    assert (tmp_path / "again" / AGREEMENT_FILE).read_bytes() == (out / AGREEMENT_FILE).read_bytes()


def test_suites_without_codes_have_the_table_they_had(tmp_path):
    out = write_suite(tmp_path)
    for file in out.rglob("codes.npz"):
        file.unlink()
    table = make_table(out)
    assert "agreement" not in table.content
    assert "apart" not in table.text
    table.write(out)
    assert not (out / AGREEMENT_FILE).exists()


def test_a_run_made_again_is_measured_again(tmp_path):
    out = write_suite(tmp_path, seeds=(1,), bits=(12,))
    write_table(out)
    again = flipped(BASE[:, :12], 3, 48)
    again.save(run_of(out, "paddle", 12, 1).codes_file)
    assert rows_of(out)[0].shares.database == pytest.approx(24 / (ITEMS * 12))  # of the same checkpoint
    result = run_of(out, "paddle", 12, 1).result() | {"checkpoint_sha256": "another"}
    run_of(out, "paddle", 12, 1).write_result(result)
    assert rows_of(out)[0].shares.database == pytest.approx(48 / (ITEMS * 12))
    run_of(out, "paddle", 12, 1).codes_file.unlink()
    assert rows_of(out)[0].shares is None


def test_codes_known_of_some_runs_alone_are_counted(tmp_path):
    out = write_suite(tmp_path, bits=(12,))
    run_of(out, "torch", 12, 2).codes_file.unlink()
    row = cells(write_table(out).split("How far two runs")[1])[0]
    assert (row["n"], row["database bits"], row["AP off > 0.05"]) == ("2", "12.50 % (n=1)", "2 of 4")


def test_codes_that_do_not_compare_are_named_once_and_the_table_is_made(tmp_path):
    out = write_suite(tmp_path, bits=(12,))
    (out / "torch/bits12-seed1/codes.npz").write_bytes(b"no codes")
    codes_of(BASE[:, :24]).save(out / "paddle/bits12-seed2/codes.npz")
    problems = read_suite(out).problems
    assert len(problems) == 2
    assert "torch/bits12-seed1/codes.npz: expected the codes of a finished run" in problems[0]
    assert "received 4 + 16 codes of 24 bits and 4 + 16 codes of 12 bits" in problems[1]
    assert str(out / "paddle/bits12-seed2") in problems[1]
    row = cells(write_table(out).split("How far two runs")[1])
    assert [of["database bits"] for of in row] == ["-", "6.25 % (n=1)"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"database": 1.5}, r"agreement\.json\[0\]: database: expected a number from 0 to 1, received '1\.5'; remove"),
        ({"frameworks": ["torch"]}, r"agreement\.json\[0\]: frameworks: expected a list of 2 values"),
        ({"bits": 0}, "bits: expected a whole number, 1 to"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, change, message):
    out = write_suite(tmp_path, seeds=(1,), bits=(12,))
    write_table(out)
    file = out / AGREEMENT_FILE
    write_json(file, [json.loads(file.read_text())[0] | change])
    with pytest.raises(UserError, match=message):
        write_table(out)


def test_merged_suites_keep_what_each_knew(tmp_path):
    for name, seeds in (("a", (1,)), ("b", (2,))):
        out = write_suite(tmp_path / name, seeds=seeds, bits=(12,))
        write_table(out)
        for file in out.rglob("codes.npz"):
            file.unlink()
    merged = make_table(tmp_path / "a", tmp_path / "b")
    assert [row["n"] for row in merged.content["agreement"]["rows"]] == ["2", "2"]
    assert len(merged.bits.shares) == 4


def test_a_twin_with_other_queries_is_refused(tmp_path):
    out = write_suite(tmp_path, seeds=(1,), bits=(12,))
    run_of(out, "paddle", 12, 1).write_queries({"average_precision": [0.5]})
    with pytest.raises(
        UserError, match=r"bits12-seed1 and .*: expected the same queries on both sides, received 1 and 4"
    ):
        rows_of(out)
    write_bits({}, tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
