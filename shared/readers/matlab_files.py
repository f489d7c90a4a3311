"""MATLAB's files of version 5 to 7, of any origin: full arrays of numbers, and the names of what else is there.

SciPy's reader looks types up by numbers of the file that it does not check, which can end the process.
"""

import math
import struct
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shared.readers.arrays import MOST_BYTES
from shared.system.errors import UserError, printable

_EXPECTED = "expected a MATLAB file of version 5 to 7, with arrays of numbers"
_HEADER_BYTES, _TAG_BYTES = 128, 8
_BYTE_ORDERS = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}
_HDF5_MAGIC, _HDF5_VERSIONS = b"\x89HDF", (b"\x00\x02IM", b"\x02\x00MI")
_MOST_SIDES = 32
# the kinds of a part of the file
_TEXTS, _SIZES, _FLAGS, _VARIABLE, _COMPRESSED = (1, 16), 5, 6, 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
# MATLAB's classes, counted from 1
_CLASSES = ("cell", "struct", "object", "char", "sparse", "double", "single", "int8", "uint8", "int16", "uint16")
_CLASSES += ("int32", "uint32", "int64", "uint64", "function", "opaque")
_NUMERIC = frozenset(_CLASSES[5:15])
_LOGICAL, _COMPLEX = 0x200, 0x800


class _Damaged(Exception):
    pass


class _TooLarge(Exception):
    pass


class _Part(NamedTuple):
    kind: int
    data: memoryview


class _Variable(NamedTuple):
    """``kind`` is MATLAB's class, ``values`` the parts after the variable's name."""

    name: str
    kind: str
    shape: tuple[int, ...]
    values: Iterator[_Part]
    byte_order: str

    @property
    def is_numeric(self) -> bool:
        return self.kind == "logical" or self.kind in _NUMERIC

    def array(self) -> np.ndarray:
        part = _next(self.values, _NUMBERS)
        dtype = np.dtype(self.byte_order + _NUMBERS[part.kind])
        if len(part.data) != math.prod(self.shape) * dtype.itemsize:
            raise _Damaged
        return np.frombuffer(part.data, dtype).reshape(self.shape, order="F")


def matlab_names(path: Path) -> tuple[list[str], list[str]]:
    """The names of the full arrays of numbers, and "name (kind)" of what else is there; raises like ``read_matlab``."""
    with _guarded(path):
        kinds = {variable.name: (variable.kind, variable.is_numeric) for variable in _variables(path)}
    numbers = [name for name, (_, is_numeric) in kinds.items() if is_numeric]
    return numbers, [f"{name} ({kind})" for name, (kind, is_numeric) in kinds.items() if not is_numeric]


def read_matlab(path: Path, names: Collection[str]) -> dict[str, np.ndarray]:
    """Array name -> array of two dimensions or more, of the type that its numbers are stored as, which may be smaller.

    Raises UserError for files of another kind or version, damaged files, and those that unpack to more than
    ``MOST_BYTES``.
    """
    with _guarded(path):
        arrays = {variable.name: variable.array() for variable in _variables(path) if variable.name in names}
        return {name: arrays[name] for name in names}


def hdf5_conversion(path: Path) -> str:
    """The command that makes a .npz of a file of HDF5, as which MATLAB writes version 7.3."""
    transposed = ".T" if path.suffix.lower() == ".mat" else ""  # MATLAB's axes stand there in reverse
    arrays = f"**{{k: v[()]{transposed} for k, v in h5py.File({str(path)!r}).items() if hasattr(v, 'shape')}}"
    program = f"import h5py, numpy as np; np.savez({str(path.with_suffix('.npz'))!r}, {arrays})"
    return f'convert it: python -c "{program}"'


@contextmanager
def _guarded(path: Path) -> Iterator[None]:
    if not path.is_file():
        raise UserError(f"{path}: {_EXPECTED}, received {'something else' if path.exists() else 'no such file'}")
    try:
        yield
    except _TooLarge as error:
        raise UserError(f"{path}: expected arrays of at most {MOST_BYTES} bytes together, received more") from error
    except (_Damaged, struct.error, zlib.error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: {_EXPECTED}, received a damaged one") from error


def _variables(path: Path) -> Iterator[_Variable]:
    most = max(MOST_BYTES, path.stat().st_size)
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
        if header.startswith(_HDF5_MAGIC) or header[-4:] in _HDF5_VERSIONS:
            raise UserError(f"{path}: {_EXPECTED}, received one of version 7.3, HDF5; {hdf5_conversion(path)}")
        if len(header) < _HEADER_BYTES or header[-4:] not in _BYTE_ORDERS:
            raise UserError(f"{path}: {_EXPECTED}, received something else; save it from MATLAB with the option -v7")
        byte_order = _BYTE_ORDERS[header[-4:]]
        while tag := file.read(_TAG_BYTES):
            kind, size = struct.unpack(f"{byte_order}II", tag)
            if file.tell() + size > path.stat().st_size:
                raise UserError(f"{path}: {_EXPECTED}, received one that ends early")
            kind, data = _unpacked(_Part(kind, memoryview(file.read(size))), byte_order, most)
            most -= len(data)
            if kind == _VARIABLE and (variable := _variable(data, byte_order)).name:  # MATLAB's own have none
                yield variable


def _unpacked(part: _Part, byte_order: str, most: int) -> _Part:
    """The part, or what is packed in it, of at most ``most`` bytes."""
    if part.kind != _COMPRESSED:
        return part
    unpack = zlib.decompressobj()
    kind, size = struct.unpack(f"{byte_order}II", unpack.decompress(part.data, _TAG_BYTES))
    if size > most:
        raise _TooLarge
    data = unpack.decompress(unpack.unconsumed_tail, size) if size else b""
    if len(data) < size:
        raise _Damaged
    return _Part(kind, memoryview(data))


def _variable(data: memoryview, byte_order: str) -> _Variable:
    parts = _parts(data, byte_order)
    flags, _ = struct.unpack(f"{byte_order}II", _next(parts, [_FLAGS]).data)
    number = flags & 0xFF
    if not 1 <= number <= len(_CLASSES):
        raise _Damaged
    kind, shape = _CLASSES[number - 1], ()
    if kind != "opaque":  # which has none
        sizes = _next(parts, [_SIZES]).data
        shape = struct.unpack(f"{byte_order}{len(sizes) // 4}i", sizes)
        if not 2 <= len(shape) <= _MOST_SIDES or min(shape) < 0:
            raise _Damaged
    name = bytes(_next(parts, _TEXTS).data).decode()
    if flags & _COMPLEX:
        kind = f"complex {kind}"
    return _Variable(printable(name), "logical" if flags & _LOGICAL else kind, shape, parts, byte_order)


def _next(parts: Iterator[_Part], kinds: Collection[int]) -> _Part:
    part = next(parts, None)
    if part is None or part.kind not in kinds:
        raise _Damaged
    return part


def _parts(data: memoryview, byte_order: str) -> Iterator[_Part]:
    """The parts in ``data``, one behind the other; up to four bytes stand within the tag itself."""
    place = 0
    while place < len(data):
        kind, size = struct.unpack(f"{byte_order}II", data[place : place + _TAG_BYTES])
        start = place + _TAG_BYTES
        if kind >> 16:
            kind, size, start = kind & 0xFFFF, kind >> 16, place + _TAG_BYTES // 2
            if size > _TAG_BYTES // 2:
                raise _Damaged
        if start + size > len(data):
            raise _Damaged
        yield _Part(kind, data[start : start + size])
        place = -(-(start + size) // _TAG_BYTES) * _TAG_BYTES
