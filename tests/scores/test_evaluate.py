"""``compare/evaluate.py`` on every kind of file it reads, and its word on those it does not."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from compare.scores.code_files import read_codes
from compare.scores.report import describe_quality
from compare.suite.run_folders import finished_runs
from shared.codes.codes import Codes
from shared.scoring.argsort_map import map_numpy_argsort
from shared.scoring.code_quality import code_quality
from shared.scoring.code_scores import map_scores
from shared.scoring.retrieval import evaluate, pack_codes
from shared.system.errors import UserError
from tests import helpers
from tests.scoring.test_retrieval import example

EXAMPLE = example(11, 20, 30, 400, 4)


def score(*arguments, status=0):
    return helpers.run("compare/evaluate.py", *arguments, status=status)


def test_arrays_in_npz_files(tmp_path):
    queries, query_labels, database, labels = EXAMPLE
    np.savez(tmp_path / "q.npz", codes=queries.astype(np.float32) * 2 - 1, labels=query_labels)
    np.savez(tmp_path / "d.npz", codes=pack_codes(database), labels=labels, bits=20)
    out = tmp_path / "out"
    done = score("--query", tmp_path / "q.npz", "--database", tmp_path / "d.npz", "--argsort", "--out", out)
    expected = evaluate(*EXAMPLE)
    argsort = map_numpy_argsort(*EXAMPLE)
    assert f"mAP        {expected.map_expected:.4f}" in done.stdout
    assert f"[{expected.map_worst:.4f}, {expected.map_best:.4f}]" in done.stdout
    assert f"{argsort:.4f}            NumPy's default argsort" in done.stdout
    scores = json.loads((out / "scores.json").read_text())
    assert scores["map"] == expected.summary() | {"argsort": argsort}
    assert {name: scores[name] for name in expected.other_scores()} == expected.other_scores()
    quality = code_quality(pack_codes(database), 20, labels)
    assert describe_quality(quality) in done.stdout
    assert scores["code_quality"] == json.loads(json.dumps(quality.summary()))
    assert f"codes      {len(np.unique(database, axis=0))} different ones of 400 items in 4 classes" in done.stdout
    assert "quantized  error not known: the files hold no hash logits" in done.stdout
    rows = pd.read_csv(out / "queries.csv", index_col="query")
    np.testing.assert_allclose(rows.ap_expected, expected.ap_expected, rtol=1e-12)
    assert rows.relevant.tolist() == expected.relevant.sum(axis=1).tolist()
    curves = pd.read_csv(out / "curves.csv")
    np.testing.assert_allclose(curves[curves["by"] == "radius"].precision, expected.radius_curve.precision, rtol=1e-12)
    np.testing.assert_allclose(curves[curves["by"] == "rank"].recall, expected.rank_curve.recall, rtol=1e-12)
    for name in ("precision_recall", "codes_by_class"):
        with Image.open(out / f"{name}.png") as picture:
            assert len(np.unique(np.asarray(picture.convert("L")))) > 10
        assert "<svg" in (out / f"{name}.svg").read_text()


def test_codes_that_tell_no_classes_apart_are_told(tmp_path):
    words = np.repeat(np.array([[5], [6]], np.uint64), 5, axis=0)
    np.savez(tmp_path / "a.npz", codes=words, labels=np.arange(10) % 3, bits=20)
    done = score("--query", tmp_path / "a.npz", "--database", tmp_path / "a.npz", "--exclude-self")
    assert done.stderr == "warning: the database is collapsed: 10 images of 3 classes have 2 different codes\n"
    np.savez(tmp_path / "a.npz", codes=words, labels=np.arange(10) % 2, bits=20)
    done = score("--query", tmp_path / "a.npz", "--database", tmp_path / "a.npz", "--exclude-self")
    assert done.stderr == (
        "warning: the database is nearly collapsed: 10 images of 2 classes have 2 different codes, fewer than two a "
        "class\n"
    )


def test_a_folder_that_cannot_be_written_is_told_before_the_work(tmp_path):
    done = score("--query", tmp_path / "none.npz", "--out", "/dev/null/out", status=2)
    assert done.stderr.startswith("error: cannot write to the folder /dev/null/out: ")


def test_run_folders_and_across_frameworks(small_suite):
    ours, theirs = finished_runs(small_suite)
    done = score("--query", ours.folder, "--argsort")
    last = ours.result()["map_last"]
    assert f"mAP        {last['expected']:.4f}" in done.stdout
    argsort = map_scores(Codes.load(ours.codes_file), argsort=True)["argsort"]
    assert f"{argsort:.4f}            NumPy's" in done.stdout
    margin = Codes.load(ours.codes_file).margin[500:].astype(np.float64)
    error = ((margin - 1) ** 2).mean()
    assert f"quantized  error {error:.4f}: mean of (|hash logit| - 1)^2 over the database's bits" in done.stdout
    assert last["argsort"] is None  # no published numbers stand beside the demo's
    across = score("--query", ours.folder, "--database", theirs.codes_file)
    assert "500 queries, 1297 items, 12 bits" in across.stdout


def test_codes_of_several_classes_are_drawn_and_described(tmp_path):
    """An image of two classes is near to those of either."""
    codes = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1], [0, 1, 1]], bool)
    labels = np.array([[1, 0], [1, 1], [0, 1], [0, 0]])
    np.savez(tmp_path / "a.npz", codes=codes, labels=labels)
    both = ("--query", tmp_path / "a.npz", "--database", tmp_path / "a.npz")
    done = score(*both, "--exclude-self", "--out", tmp_path / "out")
    # related: the first two, at distance 0, and the second and third, at 3; others: 3, and 2, 2 and 1 to the last
    assert "distances  mean of pairs of items: 1.5000 bits within classes, 2.0000 bits between" in done.stdout
    assert "codes      3 different ones of 4 items in 2 classes" in done.stdout
    assert ">0+1<" in (tmp_path / "out" / "codes_by_class.svg").read_text()


def test_deephash_folders(tmp_path):
    queries, query_labels, database, labels = EXAMPLE
    one_hot = np.eye(4, dtype=np.float32)
    prefix = "cifar10-0.8-"
    for name, array in (
        ("tst_binary", queries.astype(np.float32) * 2 - 1),
        ("trn_binary", database.astype(np.float32) * 2 - 1),
        ("tst_label", one_hot[query_labels]),
        ("trn_label", one_hot[labels]),
    ):
        np.save(tmp_path / f"{prefix}{name}.npy", array)
    expected = f"mAP        {evaluate(*EXAMPLE, topk=50).map_expected:.4f}"
    assert expected in score("--query", tmp_path, "--topk", "50").stdout
    files = [tmp_path / f"{prefix}{part}_binary.npy" for part in ("tst", "trn")]
    assert expected in score("--query", files[0], "--database", files[1], "--topk", "50").stdout
    np.save(tmp_path / "other-tst_binary.npy", queries)
    refused = score("--query", tmp_path, status=2)
    assert refused.stderr.startswith("error: --query: expected")
    assert "name one of cifar10-0.8-tst_binary.npy, other-tst_binary.npy" in refused.stderr


def test_items_scored_against_themselves(tmp_path):
    _, _, codes, labels = EXAMPLE
    np.savez(tmp_path / "all.npz", codes=codes, labels=labels)
    both = ("--query", tmp_path / "all.npz", "--database", tmp_path / "all.npz")
    done = score(*both, "--exclude-self", "--topk", "7", "--denominator", "min")
    expected = evaluate(codes, labels, codes, labels, exclude_self=True, topk=7, denominator="min")
    assert f"mAP        {expected.map_expected:.4f}" in done.stdout
    assert "of the first 7, divided by: min" in done.stdout


def test_arrays_are_memory_mapped(tmp_path):
    np.save(tmp_path / "base_codes.npy", pack_codes(EXAMPLE[2]))
    np.save(tmp_path / "base_labels.npy", EXAMPLE[3])
    code_set = read_codes(tmp_path / "base_codes.npy", "database")
    assert isinstance(code_set.codes, np.memmap)
    assert isinstance(code_set.labels, np.memmap)
    result = evaluate(pack_codes(EXAMPLE[0]), EXAMPLE[1], code_set.codes, code_set.labels, bits=20)
    assert code_set.bits is None
    assert result.ap_expected.tolist() == evaluate(*EXAMPLE).ap_expected.tolist()


def test_files_that_are_something_else_are_refused(tmp_path):
    codes = np.zeros((3, 8), bool)
    np.save(tmp_path / "codes.npy", codes)
    np.save(tmp_path / "other.npy", codes)
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object))
    np.savez(tmp_path / "half.npz", codes=codes)
    (tmp_path / "damaged.npz").write_bytes(b"PK\x03\x04 and nothing more")
    (tmp_path / "text.csv").write_text("1,2")
    (tmp_path / "empty").mkdir()
    for name, message in {
        "missing.npz": "does not exist; expected a .npz, .mat, .pt or .pth with codes and labels",
        "codes.npy": "in labels.npy beside it, or --query-labels",
        "other.npy": "expected --query-labels with",
        "half.npz": "expected the arrays codes and labels, received codes",
        "damaged.npz": "expected a .npz of plain arrays",
        "text.csv": "expected a .npz, .npy, .pt, .pth or .mat; convert",
        "empty": "with 0 such files",
    }.items():
        with pytest.raises(UserError, match=message):
            read_codes(tmp_path / name, "query")
    with pytest.raises(UserError, match=r"expected a \.npy of numbers"):
        read_codes(tmp_path / "other.npy", "query", tmp_path / "objects.npy")


def test_bit_counts_that_contradict_each_other(tmp_path):
    for name, bits in (("q", 20), ("d", 21)):
        np.savez(tmp_path / f"{name}.npz", codes=np.zeros((3, 1), np.uint64), labels=np.zeros(3, int), bits=bits)
    refused = score("--query", tmp_path / "q.npz", "--database", tmp_path / "d.npz", status=2)
    assert refused.stderr == "error: codes: expected one bit count, received 20 and 21\n"


@pytest.mark.slow
def test_ten_million_items_in_half_a_gigabyte():
    done = helpers.run("compare/bench_evaluator.py", "--part", "mapped", "--items", "10000000")
    assert 100 < float(done.stdout) < 500  # MB, of the whole process
