"""Pickles whose values would take time or memory without bound are refused at once."""

import pickle
import struct

import pytest

from shared.checkpoint.checkpoint import read_checkpoint
from shared.system.errors import UserError
from tests.checkpoints import wrapped
from tests.helpers import must_end
from tests.pickles import named, pickle_of, text


def hostile_array(dtype_state, data):
    """A pickled array whose dtype says of itself what ``dtype_state`` says: NumPy would believe it."""
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    dtype = b"cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R" + dtype_state + b"b"
    return pickle_of(b"}U\x01a", array, b"(K\x01K\x01\x85", dtype, b"\x89", data, b"tbs")


TOWER = b")" + b"2\x86" * 60  # a tuple of itself twice, 60 times over: 2**60 steps to hash, compare or show


def array_of(shape, dtype, data=b"U\x04AAAA"):
    make = named("numpy.core.multiarray", "_reconstruct") + named("numpy", "ndarray") + b"K\x00\x85U\x01b\x87R"
    return make + b"(K\x01" + shape + dtype + b"\x89" + data + b"tb"


FLOAT = named("numpy", "dtype") + b"U\x02f4\x85R"
NAME = text("features.0.weight")
TOWERS = {
    "key": pickle_of(b"}", TOWER, b"K\x01s"),
    "key of an ordered dict": pickle_of(named("collections", "OrderedDict"), b"]", TOWER, b"K\x01\x86a\x85R"),
    "item of a set": pickle_of(b"}", NAME, b"(", TOWER, b"\x91s"),
    "shape": pickle_of(b"}", NAME, array_of(TOWER, FLOAT), b"s"),
    "dtype": pickle_of(b"}", NAME, array_of(b"K\x01\x85", named("numpy", "dtype") + TOWER + b"\x85R"), b"s"),
    "values": pickle_of(b"}", NAME, array_of(b"K\x01\x85", FLOAT, TOWER), b"s"),
    "storage": pickle_of(b"(", text("storage"), TOWER, text("0"), b"NK\x01tQ"),
    "offset": pickle_of(
        b"}",
        NAME,
        named("torch._utils", "_rebuild_tensor_v2"),
        b"((",
        text("storage"),
        named("torch", "FloatStorage"),
        text("0"),
        b"NK\x01tQ",
        TOWER,
        TOWER,
        TOWER,
        b"tRs",
    ),
    "name of a class": pickle_of(TOWER, TOWER, b"\x93"),
    "called": pickle_of(TOWER, b")R"),
    "beside": pickle_of(b"}", text("a"), TOWER, b"s"),
}


@pytest.mark.parametrize("suffix", [".pt", ".pdparams"])
@pytest.mark.parametrize("name", TOWERS)
def test_tuples_within_tuples_are_never_hashed_or_shown(name, suffix, files, tmp_path):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(wrapped(TOWERS[name], suffix, files))
    with must_end(), pytest.raises(UserError) as error:
        read_checkpoint(path)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize("entry", ["greedyhash", "LR_Scheduler", "a"])
def test_towers_among_the_facts(entry, files, tmp_path):
    (tmp_path / "m.pdparams").write_bytes(files["paddle"].read_bytes())
    fact = b"}X\x05\x00\x00\x00epoch" + TOWER + b"s"
    (tmp_path / "m.pdopt").write_bytes(pickle_of(b"}", text(entry), fact, b"s"))
    if entry == "greedyhash":
        with must_end(), pytest.raises(UserError, match="epoch: expected a plain value in range, received tuple"):
            read_checkpoint(tmp_path / "m.pdparams")
    else:
        with must_end():
            assert read_checkpoint(tmp_path / "m.pdparams").epoch is None


COPIES = b"q\x000" + (named("__builtin__", "list") + b"h\x00\x85R") * 20_000
ENCODINGS = (named("_codecs", "encode") + b"h\x00" + text("latin1") + b"\x86R") * 2000


def twice_in_a_dict(slot):
    """A dict that holds the one in memo ``slot`` twice, for the next slot."""
    value = b"h" + bytes([slot])
    return b"}" + text("a") + value + b"s" + text("b") + value + b"sq" + bytes([slot + 1])


BOMBS = {
    "one list copied again and again": pickle_of(b"(", b"N" * 100_000, b"l", COPIES),
    "one text copied again and again": pickle_of(
        b"X",
        struct.pack("<I", 2**22),
        b"a" * 2**22,
        b"q\x000",
        (named("_codecs", "encode") + b"h\x00U\x06latin1\x86R") * 2000,
    ),
    "dicts in each other": pickle_of(b"}q\x00", *(twice_in_a_dict(n) for n in range(60))),
    "memo slot of 4 G": pickle_of(b"}r\xff\xff\xff\x7f"),
    "bytes of 4 G": pickle_of(b"B\xff\xff\xff\x7f"),
    "bytes of 2**62": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b".",
    "deep tuple as a key": pickle_of(b"})", b"\x85" * 400_000, b"K\x01s"),
    "deep list": pickle_of(b"]" * 300_000, b"a" * 299_999),
    "many steps": pickle_of(b"}", b"0}" * 600_000),
    "objects from bytes": hostile_array(b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t", b"U\x08AAAAAAAA"),
    "no state": pickle_of(b"}U\x01acnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87Rs"),
    "itself inside": pickle_of(b"}q\x00U\x01ah\x00s"),
    "no dict": pickle.dumps([1, 2], 4),
    "nothing": b"\x80\x04.",
    "two pickles": pickle.dumps({}, 4) * 2,
}


@pytest.mark.parametrize("name", BOMBS)
def test_pickles_that_want_memory_or_stack(name, tmp_path):
    path = tmp_path / "model.pdparams"
    path.write_bytes(BOMBS[name])
    with pytest.raises(UserError):
        read_checkpoint(path)
