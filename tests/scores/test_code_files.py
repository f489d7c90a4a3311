"""Codes and labels from NumPy's, MATLAB's and PyTorch's files, and one line for every other."""

import struct
import sys
import zlib

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from compare import evaluate as evaluate_command
from compare import retrieve
from compare.scores.code_files import read_codes
from shared.codes.codes import Codes
from shared.codes.packing import pack_codes
from shared.config.protocols import MAX_CLASSES
from shared.readers import matlab_files
from shared.scoring.code_scores import score_of
from shared.scoring.retrieval import evaluate
from shared.system.errors import UserError, exit_status
from tests import helpers
from tests.scoring.test_retrieval import example

EXAMPLE = example(11, 20, 30, 400, 4)
QUERIES, QUERY_LABELS, ITEMS, LABELS = EXAMPLE
ONE_HOT = np.eye(4)


def signs(codes):
    return np.where(codes, 1.0, -1.0)


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """Where the files are, with the database in d.npz."""
    monkeypatch.chdir(tmp_path)
    np.savez("d.npz", codes=ITEMS, labels=LABELS)
    return tmp_path


def command(monkeypatch, capsys, *arguments, module=evaluate_command):
    monkeypatch.setattr(sys, "argv", ["command", *map(str, arguments)])
    return exit_status(module.main), *capsys.readouterr()


def scored(query, database=None, bits=None):
    sides = [read_codes(query, "query"), read_codes(database or query, "database")]
    assert sides[0].both_sides == (database is None)
    known = bits or sides[0].bits
    return evaluate(*(array for side in sides for array in side[:2]), bits=known).ap_expected.tolist()


NAMED = {
    "one side each": ("query_codes", QUERIES, "query_labels", "database_codes", ITEMS, "database_labels"),
    "DeepHash": ("tst_binary", signs(QUERIES), "tst_label", "trn_binary", signs(ITEMS), "trn_label"),
    "B and L": ("B_tst", signs(QUERIES), "L_tst", "B_trn", signs(ITEMS), "L_trn"),
    "q and r": ("qB", 1 * QUERIES, "queryL", "rB", 1 * ITEMS, "retrievalL"),
    "HashNet": ("test_code", signs(QUERIES), "test_labels", "database_code", signs(ITEMS), "database_labels"),
}


@pytest.mark.parametrize("named", NAMED.values(), ids=NAMED.keys())
@pytest.mark.parametrize("form", ["npz", "mat", "compressed mat"])
@pytest.mark.parametrize("hot", [False, True])
def test_both_sides_in_one_file(folder, named, form, hot):
    q, queries, ql, d, items, dl = named
    arrays = {q: queries, d: items}
    arrays |= {n: ONE_HOT[y] if hot else y for n, y in ((ql, QUERY_LABELS), (dl, LABELS))}
    more = {"names": np.array(["a", "b"])}  # of no concern
    path = folder / f"both.{form[-3:]}"
    if form == "npz":
        np.savez(path, **arrays, **more)
    else:
        scipy.io.savemat(path, arrays | more, do_compression=form == "compressed mat")
    assert scored(path) == evaluate(*EXAMPLE).ap_expected.tolist()


def test_a_bit_count_for_both_sides(folder):
    arrays = {"query_codes": pack_codes(QUERIES), "database_codes": pack_codes(ITEMS), "bits": 20}
    np.savez("both.npz", **arrays, query_labels=QUERY_LABELS, database_labels=LABELS)
    sides = [read_codes(folder / "both.npz", role) for role in ("query", "database")]
    assert [side.bits for side in sides] == [20, 20]
    assert scored(folder / "both.npz") == evaluate(*EXAMPLE).ap_expected.tolist()


def test_one_side_in_a_matlab_file(folder):
    expected = evaluate(*EXAMPLE).ap_expected.tolist()
    scipy.io.savemat("q.mat", {"codes": signs(QUERIES), "labels": QUERY_LABELS})  # labels become a row
    assert scored(folder / "q.mat", folder / "d.npz") == expected
    packed = {"B": np.packbits(QUERIES, axis=1), "L": QUERY_LABELS}
    scipy.io.savemat("q.mat", packed)
    scipy.io.savemat("p.mat", {"B": np.packbits(ITEMS, axis=1), "L": LABELS, "bits": 20})
    assert scored(folder / "q.mat", folder / "p.mat", bits=20) == expected
    scipy.io.savemat("t.mat", {"B": signs(QUERIES).T, "L": QUERY_LABELS})
    with pytest.raises(UserError, match=r"the codes \(20, 30\) look transposed: pass codes.T"):
        scored(folder / "t.mat", folder / "d.npz")


def bomb(path, size):
    """A compressed part that unpacks to ``size`` bytes and says that it is an array of so many."""
    described = struct.pack("<6I", 14, size, 6, 8, 6, 0) + struct.pack("<2I2i", 5, 8, 1 << 15, 1 << 16)
    packer = zlib.compressobj(9)
    data = packer.compress(described + struct.pack("<2H4s", 1, 1, b"B") + struct.pack("<2I", 2, size))
    data += b"".join(packer.compress(bytes(1 << 24)) for _ in range(size >> 24)) + packer.flush()
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + struct.pack("<2I", 15, len(data)) + data)


def test_matlab_files_that_are_something_else_are_refused(folder, monkeypatch):
    monkeypatch.setattr(matlab_files, "MOST_BYTES", 1 << 25)
    scipy.io.savemat("odd.mat", {"X": QUERIES, "foo": QUERY_LABELS})
    scipy.io.savemat("sparse.mat", {"B": signs(QUERIES), "L": scipy.sparse.csc_matrix(ONE_HOT[QUERY_LABELS])})
    scipy.io.savemat("two.mat", {"B": signs(QUERIES), "codes": QUERIES, "L": QUERY_LABELS})
    scipy.io.savemat("complex.mat", {"B": 1j * QUERIES, "L": QUERY_LABELS})
    scipy.io.savemat("v4.mat", {"B": signs(QUERIES), "L": QUERY_LABELS}, format="4")
    scipy.io.savemat("whole.mat", {"B": signs(QUERIES), "L": QUERY_LABELS})
    whole = (folder / "whole.mat").read_bytes()
    (folder / "cut.mat").write_bytes(whole[: len(whole) // 2])
    (folder / "corrupted.mat").write_bytes(whole[:150] + bytes(len(whole) - 150))
    (folder / "v73.mat").write_bytes(
        b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(384) + b"\x89HDF\r\n\x1a\n"
    )
    bomb(folder / "bomb.mat", 1 << 26)
    for name, message in {
        "odd.mat": "expected the arrays codes and labels of the query, .*received X, foo$",
        "sparse.mat": r"received B; not full arrays of numbers: L \(sparse\); or pass --query-labels",
        "two.mat": "received B, codes, any of which may be meant",
        "v4.mat": "version 5 to 7, .*; save it from MATLAB with the option -v7",
        "cut.mat": "received one that ends early",
        "corrupted.mat": "received a damaged one",
        "v73.mat": "received one of version 7.3, HDF5; convert it: python -c .*h5py",
        "bomb.mat": "expected arrays of at most 33554432 bytes together, received more",
    }.items():
        with pytest.raises(UserError, match=message):
            read_codes(folder / name, "query")
    with pytest.raises(UserError, match=r"received L; not full arrays of numbers: B \(complex double\)"):
        scored(folder / "complex.mat", folder / "d.npz")


def test_files_of_pytorch(folder):
    if not helpers.is_installed("torch"):
        pytest.skip("torch is not installed")
    np.savez("in.npz", q=signs(QUERIES), ql=QUERY_LABELS, d=signs(ITEMS), dl=LABELS)
    helpers.child("torch", "torch_codes", folder / "in.npz", folder)
    expected = evaluate(*EXAMPLE).ap_expected.tolist()
    for name in ("q.pt", "half.pth", "bfloat16.pt", "legacy.pt", "test_codes.pt", "numpy.pt"):
        assert scored(folder / name, folder / "d.npz") == expected
    assert scored(folder / "both.pt") == expected
    (folder / "cut.pt").write_bytes((folder / "q.pt").read_bytes()[:500])
    for name, message in {
        "list.pt": r"received none; not full arrays of numbers: the file \(list\)",
        "module.pt": r"received none; not full arrays of numbers: the file \(torch.nn.modules.linear.Linear\)",
        "sparse.pt": "received labels; not full arrays of numbers: codes ",
        "cut.pt": "save codes and labels as tensors: torch.save",
        "model.pt": "received weight, bias",
        "text.pt": r"received codes; not full arrays of numbers: labels \(list\); or pass --query-labels",
        "test_labels.pt": "expected --query-labels with",
        "deep.pt": r"received none; not full arrays of numbers: a_a \(dict\)",
    }.items():
        with pytest.raises(UserError, match=message) as caught:
            read_codes(folder / name, "query")
        assert "unsafe" not in caught.value.args[0]


CONVERTED = {
    "x.csv": 'python -c "import numpy as np; np.save(',
    "x.txt": "np.loadtxt(",
    "x.parquet": "pd.read_parquet(",
    "x.pkl": "pickle.load(",
    "x.h5": "h5py.File(",
    "x.json": 'np.savez("codes.npz", codes=codes, labels=labels)',
}


@pytest.mark.parametrize(("name", "command_line"), CONVERTED.items())
def test_other_files_are_refused_with_what_converts_them(folder, name, command_line):
    (folder / name).write_text("1,2\n3,4\n")
    with pytest.raises(UserError, match=r"expected a \.npz, \.npy, \.pt, \.pth or \.mat; ") as caught:
        read_codes(folder / name, "query")
    assert command_line in caught.value.args[0]


def test_the_command_that_converts_text_does(folder):
    np.savetxt("x.csv", signs(QUERIES), delimiter=",")
    with pytest.raises(UserError) as caught:
        read_codes(folder / "x.csv", "query")
    program = caught.value.args[0].split('python -c "')[1].rstrip('"')
    helpers.run("-c", program)
    assert np.array_equal(np.load(folder / "x.npy"), signs(QUERIES))


def test_labels_from_elsewhere(folder, monkeypatch, capsys):
    np.savez("bare.npz", codes=QUERIES)
    np.savez("both.npz", codes=QUERIES, labels=QUERY_LABELS)
    np.save("labels.npy", QUERY_LABELS)
    arguments = ("--database", "d.npz", "--query")
    status, out, _ = command(monkeypatch, capsys, *arguments, "bare.npz", "--query-labels", "labels.npy")
    assert status == 0
    assert f"{evaluate(*EXAMPLE).map_expected:.4f}" in out
    for more, message in {
        ("bare.npz",): "received codes; or pass --query-labels",
        ("bare.npz", "--query-labels", "both.npz"): "of one array, the labels; received one of several",
        ("bare.npz", "--query-labels", "gone.npy"): "gone.npy: expected a file of arrays, received none",
        ("both.npz", "--query-labels", "labels.npy"): "--query-labels: expected none, since both.npz holds its labels",
    }.items():
        status, _, err = command(monkeypatch, capsys, *arguments, *more)
        assert (status, err.count("\n")) == (2, 1)
        assert message in err
    status, _, err = command(monkeypatch, capsys, "--query", "both.npz", "--database-labels", "labels.npy")
    assert (status, err) == (2, "error: --database-labels: expected --database with labels.npy, received none\n")


@pytest.mark.parametrize("module", [evaluate_command, retrieve])
@pytest.mark.parametrize("arguments", [("--query", "a.npz"), ("--zeros", "negative"), ("--bits", "20")])
def test_an_option_given_twice_is_refused(folder, monkeypatch, capsys, module, arguments):
    given = ("--query", "q.npz", "--database", "d.npz", "--zeros", "refuse", "--bits", "20")
    status, _, err = command(monkeypatch, capsys, *given, *arguments, module=module)
    assert (status, err) == (2, f"error: {arguments[0]}: expected once, received again with {arguments[1]}\n")


@pytest.mark.parametrize("bits", [np.array([1, 2]), 20.5, np.nan, np.inf, "20"])
def test_a_bit_count_that_is_none(folder, bits):
    np.savez("q.npz", codes=QUERIES, labels=QUERY_LABELS, bits=bits)
    with pytest.raises(UserError, match=r"q\.npz: .*bits"):
        read_codes(folder / "q.npz", "query")


RUN = {
    "index": np.arange(430),
    "labels": np.concatenate([QUERY_LABELS, LABELS]),
    "codes": pack_codes(np.concatenate([QUERIES, ITEMS])),
    "margin": np.ones((430, 20), np.float32),
    "predicted": np.zeros(430, int),
    "num_queries": 30,
}
SPOILT = {
    "queries below 0": {"num_queries": -400},
    "more queries than codes": {"num_queries": 431},
    "two counts": {"num_queries": np.array([30, 40])},
    "other codes": {"codes": np.zeros((430, 20), np.uint8)},
    "too many words": {"codes": np.zeros((430, 2), np.uint64)},
    "bits beyond the code": {"codes": np.full((430, 1), 2**21, np.uint64)},
    "fewer labels": {"labels": LABELS},
    "labels of no class": {"labels": np.full(430, MAX_CLASSES)},
    "predictions of no class": {"predicted": np.full(430, -2)},
    "an index of reals": {"index": np.ones(430)},
    "margins of one dimension": {"margin": np.ones(430)},
}


def test_codes_of_a_model_without_classifier_are_scored(folder):
    Codes(**RUN).without_classes().save(folder / "codes.npz")
    queries, items = (read_codes(folder / "codes.npz", role) for role in ("query", "database"))
    assert np.array_equal(np.concatenate([queries.codes, items.codes]), RUN["codes"])
    assert Codes.load(folder / "codes.npz").accuracy() is None


@pytest.mark.parametrize("other", SPOILT.values(), ids=SPOILT.keys())
def test_codes_of_a_run_that_contradict_themselves(folder, other):
    np.savez("codes.npz", **RUN)
    assert score_of(Codes.load(folder / "codes.npz")).ap_expected.tolist() == evaluate(*EXAMPLE).ap_expected.tolist()
    np.savez("codes.npz", **(RUN | other))
    with pytest.raises(UserError, match="expected the codes of a finished run, received"):
        Codes.load(folder / "codes.npz")


def test_labels_are_classes_of_the_data_set(folder):
    np.savez("codes.npz", **RUN)
    most = max(RUN["labels"])
    Codes.load(folder / "codes.npz", num_classes=most + 1)
    with pytest.raises(UserError, match=f"labels from 0 to {most}, where classes are 0 to {most - 1}"):
        Codes.load(folder / "codes.npz", num_classes=most)
