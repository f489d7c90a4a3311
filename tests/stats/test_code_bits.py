"""How many bits of the codes differ between two runs: known answers, and what is kept when the codes are gone."""

import dataclasses
import json

import numpy as np
import pytest

from compare.page.data import read_suite
from compare.stats.code_bits import AGREEMENT_FILE, bits_apart, write_bits
from compare.tables.table import make_table, write_table
from shared.system.errors import UserError
from shared.system.files import write_json
from shared.training.runs import run_of
from tests.agreement_rows import BASE, ITEMS, QUERIES, codes_of, flipped, rows_of, write_suite
from tests.rows import cells


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


def test_nothing_is_kept_of_nothing(tmp_path):
    write_bits({}, tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
