"""The evaluator's benchmark: the codes it makes up, and what stands in its tables."""

import numpy as np
import pytest

from compare import bench_evaluator
from compare.speed import code_samples, evaluator
from shared.codes.packing import pack_codes
from shared.scoring.argsort_map import map_numpy_argsort


def rows(text):
    """Name -> numbers, of the lines that hold a name of a measurement and numbers."""
    by_name = {}
    for line in text.splitlines():
        columns = line.replace(",", "").split()
        numbers = [column for column in columns if column.replace(".", "").isdigit()]
        by_name[line[:22].strip()] = [float(number) for number in numbers]
    return by_name


def near(value, rounding):
    return pytest.approx(value, rel=0.06, abs=rounding)  # numbers are printed with few digits


def test_trained_like_codes_repeat_and_random_ones_do_not():
    for bits, least, most in ((48, 1000, 2000), (12, 200, 500)):
        queries, query_labels, codes, labels = code_samples.trained_like(20_000, bits)
        assert codes.shape == (20_000, bits)
        assert (np.bincount(labels) == 2000).all()
        assert (np.bincount(query_labels) == 100).all()
        distinct, counts = np.unique(pack_codes(codes), return_counts=True)
        assert least < len(distinct) < most
        assert np.isin(pack_codes(queries), distinct).mean() > 0.95
        most_frequent = np.sort(counts)[-len(distinct) // 10 :]
        assert most_frequent.sum() > 20_000 / 2  # a tenth of the codes: more than half the items
        of_class = np.array([codes[labels == label].mean(axis=0) > 0.5 for label in range(10)])
        nearest = (codes[:, None] != of_class).sum(axis=2).argmin(axis=1)
        assert 0.8 < (nearest == labels).mean() < 0.95
    assert len(np.unique(pack_codes(code_samples.synthetic(20_000, 48)[2]))) > 19_900


@pytest.mark.parametrize(("write", "different"), [("write_random", 5000), ("write_trained_like", 1000)])
def test_files_of_codes_in_no_order(monkeypatch, tmp_path, write, different):
    monkeypatch.setattr(code_samples, "_AT_ONCE", 2000)
    files = tmp_path / "codes.npy", tmp_path / "labels.npy"
    getattr(code_samples, write)(*files, 5000)
    words, labels = map(np.load, files)
    assert (words.shape, words.dtype, labels.dtype) == ((5000, 1), np.uint64, np.uint8)
    assert different * 0.5 < len(np.unique(words)) <= different
    assert (np.bincount(labels, minlength=10) > 400).all()
    assert (labels[1:] != labels[:-1]).mean() > 0.8
    if write == "write_trained_like":
        queries = pack_codes(code_samples.trained_like(10, 64)[0])
        assert np.isin(queries, words).mean() > 0.8


def test_the_published_loop_is_that_of_the_published_codes():
    data = code_samples.synthetic(500, 16)
    assert evaluator.published_loop(*data) == pytest.approx(map_numpy_argsort(*data), abs=1e-6)


def test_ratios_are_those_of_the_seconds(monkeypatch, capsys):
    monkeypatch.setattr(evaluator, "ITEMS", 20_000)
    evaluator._report_codes(1)
    table = rows(capsys.readouterr().out)
    for name, bits, make in (("random", 64, code_samples.synthetic), ("trained-like", 12, code_samples.trained_like)):
        *_, codes, every, three, bare, all_by_bare, three_by_bare = table[f"{name}, {bits} bits"]
        assert codes == len(np.unique(pack_codes(make(20_000, bits)[2])))
        assert (all_by_bare, three_by_bare) == (near(every / bare, 0.006), near(three / bare, 0.006))
        assert min(every, three, bare) > 0


@pytest.mark.slow
def test_the_whole_table(monkeypatch, capsys):
    monkeypatch.setattr(evaluator, "ITEMS", 20_000)
    monkeypatch.setattr(evaluator, "_IN_MEMORY", (20_000,))
    monkeypatch.setattr(evaluator, "_MAPPED", (100_000,))
    bench_evaluator.main(["--rounds", "1"])
    lines = capsys.readouterr().out.splitlines()
    table = {line[:32].strip(): line[32:].split() for line in lines}
    names = "published loop", "published loop, no SIMD sort", "all scores and curves", "expected, best, worst"
    measured = [float(table[name][0]) for name in names]
    bare = float(table["bare XOR, popcount, histogram"][0])
    for name, value in zip(names, measured, strict=True):
        ratios = [float(column) for column in table[name][2:]]
        assert ratios == near([measured[0] / value, measured[1] / value, value / bare], 0.06)
    assert min(measured[:2]) > max(measured[2:])
    large = [line.split() for line in lines if "pairs/s" in line]
    assert [(columns[0], columns[1]) for columns in large] == [
        (name, items) for name in ("random", "trained-like") for items in ("20,000", "100,000")
    ]
    for columns in large:
        at = columns.index("s")
        numbers = [column.replace(",", "") for column in (columns[1], columns[at - 1], columns[at + 1])]
        items, taken, pairs = map(float, numbers)
        assert pairs == near(1000 * items / taken / 1e9, 0.006)
