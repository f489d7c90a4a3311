"""The index of codes: its answers against plain NumPy, and when it is stored, reused and made anew."""

import os
from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compare.search.neighbours import CodeIndex, build_index, index_beside, index_run, open_index
from compare.suite.run_folders import finished_runs
from shared.codes.codes import Codes
from shared.codes.packing import pack_codes
from shared.readers import mapped
from shared.system.errors import UserError
from shared.worker import exported

BITS = 20


def plain(queries, database, k):
    """Positions and distances of the first k in a stable sort."""
    distance = (queries[:, None] != database[None]).sum(axis=2)
    order = np.argsort(distance, axis=1, kind="stable")[:, :k]
    return order.tolist(), np.take_along_axis(distance, order, axis=1).tolist()


def random_codes(seed, count, bits=BITS, ones=0.5):
    return np.random.RandomState(seed).rand(count, bits) < ones


def answers(index, queries, k):
    return tuple(values.tolist() for values in index.nearest(pack_codes(queries), k))


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    bits=st.integers(1, 130),
    sizes=st.tuples(st.integers(1, 4), st.integers(1, 60)),
    k=st.integers(1, 70),
    ones=st.sampled_from([0.0, 0.02, 0.5]),  # all alike, many alike, few alike
)
def test_answers_are_those_of_a_stable_sort(seed, bits, sizes, k, ones):
    codes = random_codes(seed, sum(sizes), bits, ones)
    queries, database = codes[: sizes[0]], codes[sizes[0] :]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mapped, "_ROWS_AT_ONCE", 7)  # several blocks of the database
        index = build_index(pack_codes(database), bits)
        neighbours = index.nearest(pack_codes(queries), k)
        assert (neighbours.position.tolist(), neighbours.distance.tolist()) == plain(queries, database, k)
    assert neighbours.position.dtype == neighbours.distance.dtype == np.int64
    assert (len(index), index.bits) == (len(database), bits)


class Reversed:
    """A faiss index that answers as faiss may: of items at one distance it takes and shows the last first."""

    def __init__(self, flat):
        self._flat = flat

    def __getattr__(self, name):
        return getattr(self._flat, name)

    def search(self, octets, k):
        distance, position = self._flat.search(octets, self._flat.ntotal)
        order = np.lexsort((-position, distance))[:, :k]
        return np.take_along_axis(distance, order, axis=1), np.take_along_axis(position, order, axis=1)


@pytest.mark.parametrize("k", [1, 2, 17, 59, 60, 61])
def test_no_order_of_faiss_matters(monkeypatch, k):
    monkeypatch.setattr(mapped, "_ROWS_AT_ONCE", 7)
    queries, database = random_codes(9, 20, 3), random_codes(10, 60, 3)
    index = CodeIndex(Reversed(build_index(pack_codes(database), 3)._flat), 3)
    assert answers(index, queries, k) == plain(queries, database, k)


def test_threads_get_the_same_answers():
    queries, database = random_codes(1, 400), random_codes(2, 5000)
    index = build_index(pack_codes(database), BITS)
    parts = np.split(queries, 40)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda part: answers(index, part, 30), parts * 3))
    assert found == [plain(part, database, 30) for part in parts] * 3


def test_bad_questions():
    index = build_index(pack_codes(random_codes(1, 5)), BITS)
    for words, k, message in (
        (np.zeros((2, 2), np.uint64), 3, "expected packed codes of 20 bits"),
        (None, 0, "at least"),
    ):
        with pytest.raises(UserError, match=message):
            index.nearest(np.zeros((2, 1), np.uint64) if words is None else words, k)


def test_a_stored_index_is_used_again(tmp_path):
    file, database = tmp_path / "codes.faiss", random_codes(3, 300)
    open_index(pack_codes(database), BITS, file)
    os.utime(file, ns=(1, 1))
    index = open_index(pack_codes(database), BITS, file)
    assert file.stat().st_mtime_ns == 1
    assert answers(index, database[:9], 20) == plain(database[:9], database, 20)
    assert faiss.read_index_binary(str(file)).ntotal == 300  # by itself, without this project
    assert os.listdir(tmp_path) == ["codes.faiss"]


def other_kind(database):
    index = faiss.IndexBinaryHash(64, 8)
    index.add(np.zeros((len(database), 8), np.uint8))
    return faiss.serialize_index_binary(index).tobytes()


DAMAGE = {
    "other codes": lambda stored: bytes([*stored[:-8], stored[-8] ^ 1, *stored[-7:]]),
    "cut off": lambda stored: stored[:-1],
    "longer": lambda stored: stored + b"0",
    "empty": lambda stored: stored[:0],
    "text": lambda stored: b"x" * len(stored),
    "other kind": lambda stored: other_kind(stored)[: len(stored)].ljust(len(stored)),
    "huge count": lambda stored: stored[:12] + b"\xff" * 7 + b"\x7f" + stored[20:],
    "huge size": lambda stored: stored[:25] + b"\xff" * 7 + b"\x7f" + stored[33:],
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_an_index_of_anything_else_is_made_anew(tmp_path, damage):
    file, database = tmp_path / "codes.faiss", random_codes(4, 300)
    open_index(pack_codes(database), BITS, file)
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    index = open_index(pack_codes(database), BITS, file)
    assert answers(index, database[:9], 20) == plain(database[:9], database, 20)
    assert file.read_bytes() == whole


def test_changed_codes_while_the_old_index_is_open(tmp_path):
    file, old, new = tmp_path / "codes.faiss", random_codes(5, 300), random_codes(6, 300)
    before = open_index(pack_codes(old), BITS, file)
    mapped = open_index(pack_codes(old), BITS, file)
    after = open_index(pack_codes(new), BITS, file)
    for index, database in ((before, old), (mapped, old), (after, new)):
        assert answers(index, new[:9], 20) == plain(new[:9], database, 20)


def test_a_place_that_cannot_be_written(tmp_path, capsys):
    file, database = tmp_path / "codes.faiss", random_codes(7, 30)
    file.mkdir()
    index = open_index(pack_codes(database), BITS, file)
    assert answers(index, database[:9], 5) == plain(database[:9], database, 5)
    error = capsys.readouterr().err
    assert error.startswith(f"note: cannot write {file}: ")
    assert error.count("\n") == 1
    assert os.listdir(tmp_path) == ["codes.faiss"]


def test_without_faiss_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(exported, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"expected faiss in .*pip install -e '\.\[retrieve\]'"):
        open_index(pack_codes(random_codes(8, 3)), BITS, tmp_path / "codes.faiss")


def test_index_of_a_run(small_suite):
    run = finished_runs(small_suite)[0]
    codes = Codes.load(run.codes_file)
    index, images, labels = index_run(run)
    n = codes.num_queries
    assert (len(index), index.bits) == (len(images), codes.bits)
    assert images.tolist() == codes.index[n:].tolist()
    assert labels.tolist() == codes.labels[n:].tolist()
    assert index_beside(run.folder) == index_beside(run.codes_file) == run.folder / "codes.faiss"
    found = index.nearest(codes.codes[:3], 1)
    assert found.distance[:, 0].tolist() == [
        np.unpackbits((codes.codes[n:] ^ c).view(np.uint8), axis=1).sum(1).min() for c in codes.codes[:3]
    ]
