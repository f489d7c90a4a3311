"""Reading what ``torch.save`` wrote, without PyTorch and without running anything in it.

Since version 1.6 such a file is a zip archive: a pickle that describes tensors, and one entry per storage. Before,
it was a row of pickles followed by the storages. Both are read here, and TorchScript's archives, which are like the
first; sizes are compared before anything is allocated.
"""

import io
import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shared.readers.float_types import BFLOAT16, UNQUANTIZED, WIDENED
from shared.readers.pickle_machine import unpickle
from shared.readers.pickle_values import Global, PickleError, StandIn, reason_of
from shared.readers.safe_pickle import PLAIN, checked_sizes
from shared.readers.trees import Stored
from shared.system.errors import UserError, printable

_ZIP_MAGIC = b"PK\x03\x04"
_LEGACY_MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # a number, in a pickle of its own
_HEAD_BYTES = 32
_END_OF_ZIP, _END_OF_ZIP_BYTES = b"PK\x05\x06", 22
_STORAGES = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": BFLOAT16,
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("<i1"),
    "ByteStorage": np.dtype("<u1"),
    "BoolStorage": np.dtype("?"),
}
_EXPORTED = (
    "a model of torch.export, which is a program; if you trust where it comes from, convert it by: "
    "python -c \"import torch; torch.save(torch.export.load('{name}').state_dict, 'weights.pt')\""
)


@dataclass(frozen=True, eq=False)
class _Storage:
    """A row of ``size`` numbers of the type that PyTorch calls ``kind``; ``read`` gives its bytes."""

    kind: Global
    size: int
    read: Callable[[], bytes]

    @property
    def dtype(self) -> np.dtype:
        """PickleError for a type that is none of the usual numbers."""
        if self.kind.module != "torch" or self.kind.name not in _STORAGES:
            raise PickleError(f"holds numbers of another type ({printable(self.kind, 60)})")
        return _STORAGES[self.kind.name]


@dataclass(frozen=True, eq=False)
class StoredTensor(Stored):
    """A tensor still in its file, as the file describes it."""

    storage: _Storage
    offset: object
    shape: object
    strides: object

    def array(self) -> np.ndarray:
        """A copy of the values in C order; PickleError if the storage does not hold them."""
        shape, strides = checked_sizes(self.shape), checked_sizes(self.strides)
        [offset] = checked_sizes((self.offset,))
        if len(shape) != len(strides):
            raise PickleError("holds a tensor of other sides than strides")
        count, dtype, size = math.prod(shape), self.storage.dtype, self.storage.size
        last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        if not 0 < count <= size or last >= size:
            raise PickleError(f"holds a tensor of {printable(count)} values in a storage of {size}")
        data = self.storage.read()
        if len(data) != size * dtype.itemsize:
            raise PickleError(f"holds {len(data)} bytes where {size * dtype.itemsize} are expected")
        flat = np.frombuffer(data, dtype)[offset:]
        # a side of 1 may have any stride, however large
        steps = [step * flat.itemsize if n > 1 else 0 for n, step in zip(shape, strides, strict=True)]
        # the bounds were checked above, so the view stays inside the storage
        return np.lib.stride_tricks.as_strided(flat, shape, steps).copy(order="C")


def _tensor(storage: object, offset: object, shape: object, strides: object, *_: object) -> object:
    if not isinstance(storage, _Storage):
        return StandIn("a tensor without a storage")
    return StoredTensor(storage, offset, shape, strides)


@dataclass(frozen=True, eq=False)
class _OtherTensor(Stored):
    """A tensor of numbers that are not read here; ``mend`` is what to do about it."""

    kind: str
    mend: str

    def array(self) -> np.ndarray:
        raise PickleError(f"holds numbers of the type {self.kind}, where float32 is expected; {self.mend}")


def _newer(*arguments: object) -> object:
    """A tensor of a type that came after the storages with a type: float8 and the like."""
    kind = arguments[6] if len(arguments) > 6 else None
    return _OtherTensor(printable(kind.name, 40) if isinstance(kind, Global) else "unknown", WIDENED)


def _quantized(*_: object) -> object:
    return _OtherTensor("quantized", UNQUANTIZED)


def _subclass(function: object, _type: object, arguments: object, *_: object) -> object:
    """A tensor of a class of its own, or with attributes."""
    if isinstance(function, Global) and function.name.startswith("_rebuild_tensor") and isinstance(arguments, tuple):
        return _tensor(*arguments)
    return StandIn("torch._tensor._rebuild_from_type_v2")


_ADMITTED = {
    **PLAIN,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _newer,
    ("torch._utils", "_rebuild_qtensor"): _quantized,
    ("torch._utils", "_rebuild_parameter"): lambda data, *_: data,
    ("torch._utils", "_rebuild_parameter_with_state"): lambda data, *_: data,
    ("torch._tensor", "_rebuild_from_type_v2"): _subclass,
}


def is_torch(head: bytes) -> bool:
    """Whether a file that begins so is one of PyTorch's."""
    return head.startswith(_ZIP_MAGIC) or _LEGACY_MAGIC in head[:_HEAD_BYTES]


def read_torch(path: Path) -> object:
    """The value saved in ``path``: plain containers and numbers, StoredTensor for tensors, stand-ins for the rest.

    Raises UserError for a damaged file and for an archive of another kind.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(len(_ZIP_MAGIC))
        return _read_zip(path) if magic == _ZIP_MAGIC else _read_legacy(path.read_bytes())
    except UserError:
        raise
    except Exception as error:  # a damaged archive or a hostile pickle can fail in any way
        raise UserError(
            f"{path}: expected a PyTorch file, as torch.save writes it, received one that fails: {reason_of(error)}"
        ) from error


def _read_zip(path: Path) -> object:
    with zipfile.ZipFile(path) as archive:
        entries = _checked_entries(archive, path)
        pickles = [name for name in entries if name.rpartition("/")[2] == "data.pkl"]
        if not pickles and any(name.endswith("archive_format") for name in entries):
            raise UserError(f"{path}: expected a file of torch.save, received {_EXPORTED.format(name=path.name)}")
        if len(pickles) != 1:
            raise PickleError(f"has {len(pickles)} entries named data.pkl, where one is expected")
        folder = pickles[0].removesuffix("data.pkl")
        if f"{folder}byteorder" in entries and archive.read(f"{folder}byteorder") != b"little":
            raise PickleError("holds numbers that are not little-endian")
        description = archive.read(pickles[0])

    def storage(kind: Global, key: str, size: int) -> _Storage:
        name = f"{folder}data/{key}"
        if name not in entries:
            raise PickleError(f"lacks the entry {printable(name, 100)}")
        return _Storage(kind, size, lambda: _entry(path, name))

    file = io.BytesIO(description)
    value = unpickle(file, _ADMITTED, lambda pid: storage(*_reference(pid)), python2_text=True)
    if file.read(1):
        raise PickleError("goes on after its end")
    return value


def _checked_entries(archive: zipfile.ZipFile, path: Path) -> set[str]:
    """The names of the entries that are stored plainly and no larger than the file, so that reading one is bounded."""
    infos = archive.infolist()
    names = {info.filename for info in infos}
    if len(names) != len(infos):
        raise PickleError("has two entries of one name")
    # TorchScript compresses its program, which is not read
    plain = [info for info in infos if info.compress_type == zipfile.ZIP_STORED and not info.flag_bits & 1]
    if any(name.endswith("data.pkl") for name in names - {info.filename for info in plain}):
        raise PickleError("is compressed or encrypted, which PyTorch's files are not")
    with path.open("rb") as file:
        length = file.seek(0, io.SEEK_END)
        file.seek(length - _END_OF_ZIP_BYTES)
        ended = file.read(4) == _END_OF_ZIP
    if not ended or sum(info.file_size for info in plain) > length:
        raise PickleError("has another size than its entries together")
    return {info.filename for info in plain}


def _entry(path: Path, name: str) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(name)  # checks the entry's checksum, too
    except Exception as error:  # damage shows only where the bytes are read
        raise UserError(
            f"{path}: expected a whole PyTorch file, received one that fails: {reason_of(error)}"
        ) from error


def _read_legacy(data: bytes) -> object:
    file = io.BytesIO(data)
    _, _, system = (unpickle(file, {}, python2_text=True) for _ in range(3))
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise PickleError("holds numbers that are not little-endian")
    described: dict[str, _Storage] = {}
    begins: dict[str, int] = {}

    def storage(kind: Global, key: str, size: int) -> _Storage:
        new = _Storage(kind, size, lambda: data[begins[key] : begins[key] + size * new.dtype.itemsize])
        return described.setdefault(key, new)

    value = unpickle(file, _ADMITTED, lambda pid: storage(*_reference(pid)), python2_text=True)
    keys = unpickle(file, {}, python2_text=True)
    if not isinstance(keys, list) or not all(isinstance(key, str) and key in described for key in keys):
        raise PickleError("lists other storages than its tensors have")
    for key in keys:
        position = file.tell() + 8  # a count of 8 bytes stands before the values
        if int.from_bytes(data[position - 8 : position], "little") != described[key].size:
            raise PickleError("has a storage of another size than its tensors expect")
        begins[key] = position
        file.seek(position + described[key].size * described[key].dtype.itemsize)
    if file.tell() != len(data) or begins.keys() != described.keys():
        raise PickleError("has another size than its tensors together")
    return value


def _reference(pid: object) -> tuple[Global, str, int]:
    """Storage class, key and size from a persistent id ("storage", class, key, device, size, ...)."""
    if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage":
        raise PickleError("refers to something that is no storage")
    kind, key, size = pid[1], pid[2], pid[4]
    if not (isinstance(kind, Global) and isinstance(key, str) and type(size) is int and 0 <= size < 2**62):
        raise PickleError("refers to a storage by what is no name or size")
    if len(pid) > 5 and pid[5] is not None:
        raise PickleError("holds a storage that is a view of another, as PyTorch wrote before 0.4")
    return kind, key, size
