"""Reading what ``torch.save`` wrote, without PyTorch and without running anything in it.

Since version 1.6 such a file is a zip archive: a pickle that describes tensors, and one entry per storage. Before,
it was a row of pickles followed by the storages. Both are read here; sizes are compared before anything is allocated.
"""

import io
import math
import pickle
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shared.errors import UserError
from shared.safe_pickle import Admitted, unpickle

ZIP_MAGIC = b"PK\x03\x04"
LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_END_OF_ZIP, _END_OF_ZIP_BYTES = b"PK\x05\x06", 22
# storage class -> NumPy dtype; NumPy has no bfloat16, which is refused by name where a tensor of it is wanted
_STORAGES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "?",
}


@dataclass(frozen=True)
class _Storage:
    """A row of ``size`` numbers; ``read`` gives its bytes."""

    kind: str
    size: int
    read: Callable[[], bytes]

    @property
    def num_bytes(self) -> int:
        return self.size * np.dtype(_STORAGES[self.kind]).itemsize


@dataclass(frozen=True)
class StoredTensor:
    """A tensor still in its file."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self, where: str) -> np.ndarray:
        """A copy of the values in C order; UserError, naming ``where``, if the file does not hold them."""
        size = self.storage.size
        numbers = (self.offset, *self.shape, *self.strides)
        if len(self.shape) != len(self.strides) or not all(isinstance(n, int) and n >= 0 for n in numbers):
            raise UserError(f"{where}: expected a tensor's sizes, received {str(numbers)[:80]}")
        last = self.offset + sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True))
        count = math.prod(self.shape)
        if not 0 < count <= size or last >= size:
            raise UserError(f"{where}: expected {count} values, received a storage of {size}")
        if self.storage.kind == "BFloat16Storage":
            raise UserError(f"{where}: expected float32, received bfloat16")
        data = self.storage.read()
        if len(data) != self.storage.num_bytes:
            raise UserError(f"{where}: expected {self.storage.num_bytes} bytes, received {len(data)}")
        flat = np.frombuffer(data, _STORAGES[self.storage.kind])[self.offset :]
        # a side of 1 may have any stride, however large
        strides = [step * flat.itemsize if n > 1 else 0 for n, step in zip(self.shape, self.strides, strict=True)]
        # the bounds were checked above, so the view stays inside the storage
        return np.lib.stride_tricks.as_strided(flat, self.shape, strides).copy(order="C")


class _Mapping(dict):
    """An OrderedDict as read; the attributes that PyTorch pickles with it are of no use here."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        pass


def _tensor(storage: object, offset: int, shape: tuple, strides: tuple, *_: object) -> StoredTensor:
    if not (isinstance(storage, _Storage) and isinstance(shape, tuple) and isinstance(strides, tuple)):
        raise pickle.UnpicklingError("a tensor without a storage")
    return StoredTensor(storage, offset, shape, strides)


_KINDS = {Admitted(): name for name in _STORAGES}
_ADMITTED = {
    ("collections", "OrderedDict"): Admitted(_Mapping),
    ("torch._utils", "_rebuild_tensor_v2"): Admitted(_tensor),
    ("torch._utils", "_rebuild_parameter"): Admitted(lambda data, *_: data),
    **{("torch", name): kind for kind, name in _KINDS.items()},
}


def read_torch(path: Path) -> object:
    """The value saved in ``path``: plain containers and numbers, with StoredTensor for tensors.

    Raises UserError for a damaged file and for one that asks for anything else, a pickled module for example.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(len(LEGACY_MAGIC))
        return _read_legacy(path.read_bytes()) if magic == LEGACY_MAGIC else _read_zip(path)
    except UserError:
        raise
    except Exception as error:  # a damaged archive or a hostile pickle can fail in any way
        raise UserError(
            f"{path}: expected a PyTorch file of tensors and plain containers, such as a state dict; "
            f"received one that fails: {error}"
        ) from error


def _read_zip(path: Path) -> object:
    with zipfile.ZipFile(path) as archive:
        entries = _checked_entries(archive, path)
        pickles = [name for name in entries if name.rpartition("/")[2] == "data.pkl"]
        if len(pickles) != 1:
            raise ValueError(f"{len(pickles)} entries named data.pkl, where one was expected")
        folder = pickles[0].removesuffix("data.pkl")
        if f"{folder}byteorder" in entries and archive.read(f"{folder}byteorder") != b"little":
            raise ValueError("its numbers are not little-endian")
        description = archive.read(pickles[0])

    def storage(kind: str, key: str, size: int) -> _Storage:
        name = f"{folder}data/{key}"
        found = _Storage(kind, size, lambda: _entry(path, name))
        if found.num_bytes != entries[name]:
            raise ValueError(f"{name} has {entries[name]} bytes, where {found.num_bytes} were expected")
        return found

    return _whole(io.BytesIO(description), storage)


def _checked_entries(archive: zipfile.ZipFile, path: Path) -> dict[str, int]:
    """Name and size of every entry; stored plainly and no larger than the file, so that reading one is bounded."""
    infos = archive.infolist()
    sizes = {info.filename: info.file_size for info in infos}
    if len(sizes) != len(infos):
        raise ValueError("two entries have one name")
    if any(info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 for info in infos):
        raise ValueError("it is compressed or encrypted, which PyTorch's files are not")
    with path.open("rb") as file:
        length = file.seek(0, io.SEEK_END)
        file.seek(length - _END_OF_ZIP_BYTES)
        ended = file.read(4) == _END_OF_ZIP
    if not ended or sum(sizes.values()) > length:
        raise ValueError("its size is not that of its entries")
    return sizes


def _entry(path: Path, name: str) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(name)  # checks the entry's checksum, too
    except Exception as error:  # damage shows only where the bytes are read
        raise UserError(f"{path}: expected a whole PyTorch file, received one that fails: {error}") from error


def _read_legacy(data: bytes) -> object:
    file = io.BytesIO(data)
    _, _, system = (unpickle(file, {}) for _ in range(3))
    if system.get("little_endian") is not True:
        raise ValueError("its numbers are not little-endian")
    described: dict[str, _Storage] = {}
    begins: dict[str, int] = {}

    def storage(kind: str, key: str, size: int) -> _Storage:
        found = _Storage(kind, size, lambda: data[begins[key] : begins[key] + found.num_bytes])
        return described.setdefault(key, found)

    value = unpickle(file, _ADMITTED, lambda pid: storage(*_reference(pid)))
    for key in unpickle(file, {}):
        position = file.tell() + 8  # a count of 8 bytes stands before the values
        if int.from_bytes(data[position - 8 : position], "little") != described[key].size:
            raise ValueError(f"storage {key} has another size than its tensors expect")
        begins[key] = position
        file.seek(position + described[key].num_bytes)
    if file.tell() != len(data) or begins.keys() != described.keys():
        raise ValueError("its size is not that of its tensors")
    return value


def _whole(file: io.BytesIO, storage: Callable[[str, str, int], _Storage]) -> object:
    value = unpickle(file, _ADMITTED, lambda pid: storage(*_reference(pid)))
    if file.read(1):
        raise ValueError("there are bytes after the pickle's end")
    return value


def _reference(pid: tuple) -> tuple[str, str, int]:
    """Storage class, key and size from a persistent id ("storage", class, key, device, size, ...)."""
    tag, kind, key, _, size = pid[:5]
    if tag not in ("storage", b"storage") or not isinstance(key, str) or not isinstance(size, int) or size < 0:
        raise pickle.UnpicklingError("a reference to something that is no storage")
    if len(pid) > 5 and pid[5] is not None:
        raise pickle.UnpicklingError("a storage that is a view of another, as PyTorch wrote before 0.4")
    return _KINDS[kind], key, size


def tensor_dicts(value: object) -> Iterator[tuple[str, dict[str, StoredTensor]]]:
    """The state dicts in ``value`` and where they lie: itself, or those among its values."""
    if _is_state(value):
        yield "", value
    elif isinstance(value, dict):
        yield from ((str(key), item) for key, item in value.items() if _is_state(item))


def _is_state(value: object) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(name, str) and isinstance(item, StoredTensor) for name, item in value.items())
    )
