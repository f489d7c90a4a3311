"""Arrays from anybody's .npz and .npy: whole ones come as they were written, all else is one line and no memory."""

import io
import os
import resource
import zipfile

import numpy as np
import pytest

from shared.readers.arrays import npz_headers, read_npy, read_npz
from shared.system.errors import UserError

GOOD = {"codes": np.arange(6, dtype=np.uint64).reshape(2, 3), "share": np.ones((2, 2), ">f4", order="F")}


def header_of(side):
    return f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({side},)}}"


def member(header, data=b""):
    """The bytes of a .npy whose header is ``header``, true or not."""
    return b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header.encode() + data


def write_zip(path, name, data, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(name, data)
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_wrote_comes_back(save, tmp_path):
    save(tmp_path / "a.npz", **GOOD, bits=np.int64(12), names=np.array(["cat", None], object))
    arrays = read_npz(tmp_path / "a.npz", ["codes", "share", "bits"])
    np.testing.assert_array_equal(arrays["codes"], GOOD["codes"])
    np.testing.assert_array_equal(arrays["share"], GOOD["share"])
    assert arrays["bits"] == 12
    assert str(npz_headers(tmp_path / "a.npz", ["codes"])["codes"]) == "uint64 (2, 3)"


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("array", [GOOD["codes"], GOOD["share"], np.zeros((0, 4)), np.array(3)])
def test_a_single_array_comes_back_mapped_or_not(array, mmap, tmp_path):
    np.save(tmp_path / "a.npy", array)
    np.testing.assert_array_equal(read_npy(tmp_path / "a.npy", mmap), array)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"codes": np.zeros(1)}, "expected the arrays codes, labels; missing labels, there: codes"),
        ({"codes": np.array([None]), "labels": np.zeros(1)}, r"codes: expected .* received object \(1,\), .*tolist"),
        (
            {"codes": np.zeros(1), "labels": np.array(["a"])},
            r"received <U1 \(1,\), which are texts; number the classes",
        ),
        ({"codes": np.zeros(2, "u1,f4"), "labels": np.zeros(1)}, "codes: expected"),
        ({"codes": np.zeros(2, "S0"), "labels": np.zeros(1)}, "codes: expected"),
    ],
)
def test_other_arrays_are_named(arrays, message, tmp_path):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(UserError, match=message):
        read_npz(tmp_path / "a.npz", ["codes", "labels"])


@pytest.mark.parametrize(
    "header",
    [
        *map(header_of, ["1" + "0" * 12, "1" + "0" * 40, -1, True, 2.5, 3]),
        "(" * 2000,
        "",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}",
        "{" + " " * 9000,
    ],
)
def test_a_header_that_lies_is_refused(header, tmp_path):
    data = member(header + "\n", b"\1\2")
    (tmp_path / "a.npy").write_bytes(data)
    write_zip(tmp_path / "a.npz", "a.npy", data)
    for read in (read_npz, npz_headers):
        with pytest.raises(UserError, match=r"^\S*a\.npz: .*expected"):
            read(tmp_path / "a.npz")
    for mmap in (False, True):
        with pytest.raises(UserError, match=r"^\S*a\.npy: .*expected"):
            read_npy(tmp_path / "a.npy", mmap)


def test_little_files_that_would_take_gigabytes_take_none(tmp_path):
    zeros = bytes(1 << 24)
    with zipfile.ZipFile(tmp_path / "array.npz", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as f:
        f.write(member(header_of(12 << 24)))
        for _ in range(12):
            f.write(zeros)
    with (
        zipfile.ZipFile(tmp_path / "header.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x.npy", "w") as f,
    ):
        f.write(b"\x93NUMPY\x02\x00" + (12 << 24).to_bytes(4, "little"))
        for _ in range(12):
            f.write(zeros)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match="at most 1000000 bytes together, received 201326592: x is uint8"):
        read_npz(tmp_path / "array.npz", most_bytes=10**6)
    with pytest.raises(UserError, match=r"expected a \.npz of plain arrays"):
        read_npz(tmp_path / "header.npz")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64_000  # kB


@pytest.mark.parametrize("compression", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_what_numpy_does_not_write_is_refused(compression, tmp_path):
    file = io.BytesIO()
    np.save(file, GOOD["codes"])
    write_zip(tmp_path / "a.npz", "a.npy", file.getvalue(), compression)
    with pytest.raises(UserError, match=r"a: expected an array as np\.savez writes it"):
        read_npz(tmp_path / "a.npz")


def test_other_files_are_told_from_damaged_ones(tmp_path):
    np.save(tmp_path / "one.npy", np.zeros(3))
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    with pytest.raises(UserError, match=r"received a \.npy, which holds one array"):
        read_npz(tmp_path / "one.npz")
    os.mkfifo(tmp_path / "pipe.npz")
    for name, received in (("pipe.npz", "something else"), (".", "something else"), ("none.npz", "no such file")):
        with pytest.raises(UserError, match=received):
            read_npz(tmp_path / name)


def test_a_damaged_file_is_refused_or_read_right(tmp_path):
    np.savez_compressed(tmp_path / "good.npz", **GOOD)
    whole, generator, refused = (tmp_path / "good.npz").read_bytes(), np.random.RandomState(0), 0
    for _ in range(500):
        data = bytearray(whole)
        data[generator.randint(len(data))] ^= 1 << generator.randint(8)
        (tmp_path / "a.npz").write_bytes(data)
        try:
            arrays = read_npz(tmp_path / "a.npz", GOOD)
        except UserError:
            refused += 1
        else:
            for name, array in GOOD.items():
                np.testing.assert_array_equal(arrays[name], array)
    assert refused > 300
