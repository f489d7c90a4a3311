"""MATLAB's files of version 5 to 7, from anybody: how long their parts are is checked before SciPy reads them."""

import struct
import warnings
import zlib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar

import numpy as np

from shared.readers.arrays import MOST_BYTES
from shared.system.errors import UserError

_EXPECTED = "expected a MATLAB file of version 5 to 7, with arrays of numbers"
_HEADER_BYTES, _TAG_BYTES, _COMPRESSED = 128, 8, 15
_BYTE_ORDERS = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}
_HDF5_MAGIC, _HDF5_VERSIONS = b"\x89HDF", (b"\x00\x02IM", b"\x02\x00MI")
_INTEGERS = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
_NUMBERS = ("double", "single", "logical", *_INTEGERS)
_CHUNK = 1 << 20

T = TypeVar("T")


def matlab_names(path: Path) -> tuple[list[str], list[str]]:
    """The names of the full arrays of numbers, and "name (kind)" of what else is there; raises like ``read_matlab``."""
    from scipy.io import whosmat

    _check_parts(path)
    described = _by_scipy(lambda: whosmat(path, appendmat=False), path)
    kinds = {name: kind for name, _, kind in described if not name.startswith("__")}  # such names are MATLAB's own
    numbers = [name for name, kind in kinds.items() if kind in _NUMBERS]
    return numbers, [f"{name} ({kind})" for name, kind in kinds.items() if kind not in _NUMBERS]


def read_matlab(path: Path, names: Collection[str]) -> dict[str, np.ndarray]:
    """Array name -> array of two dimensions or more, of the type that its numbers are stored as, which may be smaller.

    Raises UserError for files of another kind or version, damaged files, and those that unpack to more than
    ``MOST_BYTES``.
    """
    from scipy.io import loadmat

    _check_parts(path)
    found = _by_scipy(lambda: loadmat(path, variable_names=list(names), appendmat=False), path)
    return {name: found[name] for name in names}


def hdf5_conversion(path: Path) -> str:
    """The command that makes a .npz of a file of HDF5, as which MATLAB writes version 7.3."""
    turned = ".T" if path.suffix.lower() == ".mat" else ""  # MATLAB's axes stand there in reverse
    arrays = f"**{{k: v[()]{turned} for k, v in h5py.File({str(path)!r}).items() if hasattr(v, 'shape')}}"
    said = f"import h5py, numpy as np; np.savez({str(path.with_suffix('.npz'))!r}, {arrays})"
    return f'convert it: python -c "{said}"'


def _by_scipy(read: Callable[[], T], path: Path) -> T:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return read()
        except Exception as error:  # a damaged file can fail anywhere inside SciPy
            raise UserError(f"{path}: {_EXPECTED}, received a damaged one") from error


def _check_parts(path: Path) -> None:
    if not path.is_file():
        raise UserError(f"{path}: {_EXPECTED}, received {'something else' if path.exists() else 'no such file'}")
    length, unpacked = path.stat().st_size, 0
    most = max(MOST_BYTES, length)
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
        if header.startswith(_HDF5_MAGIC) or header[-4:] in _HDF5_VERSIONS:
            raise UserError(f"{path}: {_EXPECTED}, received one of version 7.3, HDF5; {hdf5_conversion(path)}")
        if len(header) < _HEADER_BYTES or header[-4:] not in _BYTE_ORDERS:
            raise UserError(f"{path}: {_EXPECTED}, received something else; save it from MATLAB with the option -v7")
        while tag := file.read(_TAG_BYTES):
            kind, size = struct.unpack(f"{_BYTE_ORDERS[header[-4:]]}II", tag.ljust(_TAG_BYTES, b"\0"))
            if file.tell() + size > length:
                raise UserError(f"{path}: {_EXPECTED}, received one that ends early")
            if kind == _COMPRESSED:
                unpacked += _unpacked_bytes(file.read(size), most - unpacked)
            else:
                file.seek(size, 1)
            if unpacked > most:
                raise UserError(f"{path}: expected arrays of at most {most} bytes together, received more")


def _unpacked_bytes(data: bytes, most: int) -> int:
    """How many bytes are packed in ``data``; counting ends soon after ``most``."""
    unpack, count = zlib.decompressobj(), 0
    try:
        while data and count <= most:
            count += len(unpack.decompress(data, _CHUNK))
            data = unpack.unconsumed_tail
    except zlib.error:
        pass  # SciPy will find it, too, if the part is read
    return count
