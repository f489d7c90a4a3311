"""Tar archives from anybody: whole ones give their batches, all else is one line within bounds of time and memory."""

import gzip
import io
import os
import resource
import tarfile

import pytest

from shared.data import cifar
from shared.data.archives import read_members
from shared.system.errors import UserError

SIZES = {"a.bin": range(4, 5), "b": range(1, 10)}
FILES = {"batches/a.bin": b"1234", "batches/b": b"abc", "batches/readme.html": b"<p>", "batches/._b": b"\0"}


def write(path, files, mode="w:gz"):
    """``files``: name -> content, or size of a member of zeros."""
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = content if isinstance(content, int) else len(content)
            archive.addfile(info, _Zeros() if isinstance(content, int) else io.BytesIO(content))
    return path


class _Zeros:
    def read(self, size):
        return bytes(size)


@pytest.mark.parametrize(("name", "mode"), [("a.tar.gz", "w:gz"), ("a.tgz", "w:gz"), ("a.tar", "w"), ("b.tar.gz", "w")])
def test_wanted_files_are_read_packed_or_not(name, mode, tmp_path):
    assert read_members(write(tmp_path / name, FILES, mode), SIZES) == {"a.bin": b"1234", "b": b"abc"}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.bin": b"123"}, r"a\.tar\.gz/a\.bin: expected 4 bytes, received 3"),
        ({"b": 100}, "b: expected 1 to 9 bytes, received 100"),
        ({"x/a.bin": b"1234", "y/a.bin": b"1234"}, r"expected one file a\.bin, received several"),
        ({str(k): b"" for k in range(1001)}, "more than 1000 members"),
    ],
)
def test_other_members_are_named(files, message, tmp_path):
    with pytest.raises(UserError, match=message):
        read_members(write(tmp_path / "a.tar.gz", files), SIZES)


def bomb(path, *parts):
    with gzip.open(path, "wb", compresslevel=1) as file:
        for part in parts:
            file.write(part)
    return path


def header(name, size, kind=tarfile.REGTYPE):
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def sparse(path):
    """1,536 bytes that claim 64 GiB."""
    info = tarfile.TarInfo("data_batch_1")
    info.type, info.size = tarfile.GNUTYPE_SPARSE, 0
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[386:398], block[398:410], block[483:495] = (
        b"00000000000\0",
        b"00000000000\0",
        b"\x80" + (64 << 30).to_bytes(11, "big"),
    )
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    path.write_bytes(bytes(block) + bytes(1024))
    return path


MIB = bytes(1 << 20)


@pytest.mark.parametrize(
    "make",
    [
        lambda path: write(path, {"unknown": 600 << 20}, "w:gz"),
        lambda path: bomb(path, header("unknown", 600 << 30), MIB),
        lambda path: bomb(path, header("long name", 300 << 20, tarfile.GNUTYPE_LONGNAME), *[MIB] * 300),
        lambda path: bomb(path, header("pax", 300 << 20, tarfile.XHDTYPE), *[MIB] * 300),
        sparse,
    ],
    ids=["unknown member", "claimed size", "long name", "pax header", "sparse"],
)
def test_little_files_that_would_take_gigabytes_take_none(make, tmp_path):
    path = make(tmp_path / "cifar-10-python.tar.gz")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(
        UserError, match=r"expected (an archive of CIFAR-10's batches|1 to \d+ bytes), received"
    ) as error:
        cifar.load(path)
    assert "\n" not in str(error.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64_000  # kB


@pytest.mark.parametrize(
    ("content", "received"),
    [
        (b"", "a damaged archive, or another kind of file"),
        (os.urandom(3000), "a damaged archive, or another kind of file"),
        (b"\n<!DOCTYPE html><html>" + b"x" * 600, "a web page"),
        (b"\x1f\x8b\x08\0" + bytes(100), "a damaged archive, or another kind of file"),
    ],
)
def test_other_files_are_one_line(content, received, tmp_path):
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(content)
    with pytest.raises(UserError, match=f"expected a CIFAR-10 archive, received {received}; fetch it again$") as error:
        cifar.load(tmp_path / "cifar-10-binary.tar.gz")
    assert "\n" not in str(error.value)


def test_a_flipped_bit_is_found_even_behind_the_last_file(tmp_path):
    content = os.urandom(4)
    path = write(tmp_path / "a.tar.gz", {"a.bin": content, "rest": os.urandom(5000)})
    whole = path.read_bytes()
    for place in range(0, len(whole), 97):
        data = bytearray(whole)
        data[place] ^= 4
        path.write_bytes(data)
        try:
            assert read_members(path, {"a.bin": range(4, 5)}) in ({"a.bin": content}, {})
            assert place < 12  # the name and the time in gzip's own header
        except UserError:
            pass
    path.write_bytes(whole[:-9])
    with pytest.raises(UserError, match="damaged"):
        read_members(path, {"a.bin": range(4, 5)})


def test_an_archive_of_something_else(tmp_path):
    with pytest.raises(UserError, match="expected CIFAR-10's batches in it, received none; of pictures, unpack it"):
        cifar.load(write(tmp_path / "a.tar.gz", {"train/cat/1.png": b"x"}))


def test_a_folder_with_nothing_but_the_archive_is_read(tmp_path):
    write(tmp_path / "cifar-10-binary.tar.gz", {"cifar-10-batches-bin/data_batch_1.bin": b"x"})
    with pytest.raises(UserError, match=r"data_batch_1\.bin: expected 30730000 bytes, received 1"):
        cifar.load(tmp_path)
    write(tmp_path / "another.tgz", {})
    with pytest.raises(UserError, match=r"several: .*another\.tgz, .*binary\.tar\.gz; name one of them"):
        cifar.load(tmp_path)
