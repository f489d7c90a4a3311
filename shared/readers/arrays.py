"""NumPy's files of any origin: what a header says is compared with bounds and bytes before memory is allocated."""

import io
import math
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shared.system.errors import UserError, printable

# what the arrays of one file may take in memory, together
MOST_BYTES = 2 << 30
# NumPy's own bound for the text of a header, and what stands before it
_MOST_HEADER_BYTES = 10_000 + 12
_PARSERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
# those that np.savez and np.savez_compressed write; zipfile does not bound what the others unpack to
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 1
_NPZ, _NPY = "a .npz of plain arrays", "a .npy of numbers"
_TEXTS = ", which are texts; number the classes, of several arrays together: np.unique(labels, return_inverse=True)[1]"
_MENDS = {
    "U": _TEXTS,
    "S": _TEXTS,
    "O": ", which are objects, to be read by running a pickle; make numbers of them: np.array(values.tolist())",
}


class Header(NamedTuple):
    """An array's header; its numbers begin ``offset`` bytes after the start of its .npy."""

    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int

    @property
    def nbytes(self) -> int:
        """Bytes of its numbers."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __str__(self) -> str:
        """ "uint8 (3, 32, 32, 3)"."""
        return f"{self.dtype} ({', '.join(map(printable, self.shape))}{',' if len(self.shape) == 1 else ''})"


def npz_names(path: Path) -> list[str]:
    """The names of the arrays in the .npz; UserError for anything else."""
    with _opened_npz(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]


def npz_headers(path: Path, names: Collection[str] | None = None) -> dict[str, Header]:
    """Array name -> header for ``names``, else for all arrays in the .npz; raises like ``read_npz``."""
    with _opened_npz(path) as archive:
        return _headers(archive, path, names)


def read_npz(path: Path, names: Collection[str] | None = None, most_bytes: int = MOST_BYTES) -> dict[str, np.ndarray]:
    """Array name -> array for ``names``, else for all arrays in the .npz; what else is in the file is not looked at.

    Raises UserError for anything but whole arrays of numbers or truth values of at most ``most_bytes`` together, and
    where one of ``names`` is missing.
    """
    with _opened_npz(path) as archive:
        headers = _headers(archive, path, names)
        _check_total(path, headers, most_bytes)
        arrays = {}
        for name in headers:
            with archive.open(f"{name}.npy") as member:  # reading to the end, it compares the checksum
                arrays[name] = np.lib.format.read_array(member, allow_pickle=False)
        return arrays


def read_npy(path: Path, mmap: bool = False, most_bytes: int = MOST_BYTES) -> np.ndarray:
    """The array in a .npy; with ``mmap`` it stays in the file, is read-only, and may have any size.

    Raises UserError for anything but one whole array of numbers or truth values of at most ``most_bytes``.
    """
    with _guarded(path, _NPY):
        with path.open("rb") as file:
            header = _header(file, path.stat().st_size, str(path), _NPY)
        if not mmap:
            _check_total(path, {"the array": header}, most_bytes)
        # an empty array has nothing to map
        return np.load(path, mmap_mode="r" if mmap and header.nbytes else None, allow_pickle=False)


@contextmanager
def _opened_npz(path: Path) -> Iterator[zipfile.ZipFile]:
    with _guarded(path, _NPZ):
        with path.open("rb") as file:
            single = file.read(6) == np.lib.format.MAGIC_PREFIX
        if single:
            raise UserError(f"{path}: expected {_NPZ}, received a .npy, which holds one array: write it with np.savez")
        with zipfile.ZipFile(path) as archive:
            yield archive


@contextmanager
def _guarded(path: Path, expected: str) -> Iterator[None]:
    if not path.is_file():
        raise UserError(
            f"{path}: expected {expected}, received {'something else' if path.exists() else 'no such file'}"
        )
    try:
        yield
    except (UserError, MemoryError):
        raise
    except PermissionError as error:
        raise UserError(f"{path}: expected {expected}, received one that may not be read") from error
    except Exception as error:  # a damaged file can fail anywhere inside NumPy, zipfile and zlib
        raise UserError(f"{path}: expected {expected}, received a damaged file, or another kind of file") from error


def _headers(archive: zipfile.ZipFile, path: Path, names: Collection[str] | None) -> dict[str, Header]:
    infos = [info for info in archive.infolist() if info.filename.endswith(".npy")]
    entries = {info.filename.removesuffix(".npy"): info for info in infos}
    requested = entries if names is None else names
    if missing := [name for name in requested if name not in entries]:
        received = printable(", ".join(entries) or "none", 200)
        raise UserError(
            f"{path}: expected the arrays {', '.join(requested)}; missing {', '.join(missing)}, there: {received}"
        )
    headers = {}
    for name in requested:
        info, where = entries[name], f"{path}: {printable(name, 50)}"
        if info.compress_type not in _COMPRESSIONS or info.flag_bits & _ENCRYPTED:
            raise UserError(f"{where}: expected an array as np.savez writes it, received one packed in another way")
        with archive.open(info) as member:
            headers[name] = _header(member, info.file_size, where, _NPZ)
    return headers


def _header(file: io.BufferedIOBase, size: int, where: str, expected: str) -> Header:
    # a header can claim gigabytes of text, which NumPy would read before it compares
    start = io.BytesIO(file.read(_MOST_HEADER_BYTES))
    shape, _, dtype = _PARSERS[np.lib.format.read_magic(start)](start)
    header = Header(shape, dtype, start.tell())
    if dtype.kind not in "biuf" or not all(side >= 0 for side in shape):
        raise UserError(f"{where}: expected {expected}, received {header}{_MENDS.get(dtype.kind, '')}")
    if header.offset + header.nbytes != size:
        received = f"{printable(size - header.offset)} bytes"
        raise UserError(f"{where}: expected {header}, {printable(header.nbytes)} bytes, received {received}")
    return header


def _check_total(path: Path, headers: dict[str, Header], most_bytes: int) -> None:
    total = sum(header.nbytes for header in headers.values())
    if total > most_bytes:
        largest = max(headers, key=lambda name: headers[name].nbytes)
        received = f"{printable(total)}: {printable(largest, 50)} is {headers[largest]}"
        raise UserError(f"{path}: expected arrays of at most {most_bytes} bytes together, received {received}")
