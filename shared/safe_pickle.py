"""Unpickling that admits NumPy arrays and plain containers and can run nothing else.

A pickle is a program. Here it may only build plain values and call the few functions that its format needs, none
of which touches NumPy's or the file's memory: arrays come back as records that are checked before they are made.
"""

import io
import pickle
import pickletools
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from shared.errors import UserError

# a hostile pickle can nest tuples until hashing one overflows the stack, or name a memo slot that needs gigabytes
_MOST_STEPS = 500_000
_MOST_TUPLES = 10_000
_TUPLES = {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
_PUTS = {"BINPUT", "LONG_BINPUT"}
_STEPS = _TUPLES | _PUTS
_STEPS |= {"PROTO", "FRAME", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1"}
_STEPS |= {"BINFLOAT", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BINUNICODE"}
_STEPS |= {"SHORT_BINUNICODE", "BINUNICODE8", "EMPTY_LIST", "APPEND", "APPENDS", "LIST", "EMPTY_TUPLE", "EMPTY_DICT"}
_STEPS |= {"SETITEM", "SETITEMS", "DICT", "BINGET", "LONG_BINGET", "MEMOIZE", "GLOBAL", "STACK_GLOBAL", "REDUCE"}
_STEPS |= {"BUILD", "BINPERSID"}


class Admitted:
    """Something a pickle may name and, with ``function``, call; it cannot be changed by the pickle."""

    def __init__(self, function: Callable | None = None) -> None:
        self._function = function

    def __call__(self, *arguments: object) -> object:
        if self._function is None:
            raise pickle.UnpicklingError("it calls what may only be named")
        return self._function(*arguments)

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("it sets attributes of what may only be named")


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, admitted: Mapping[tuple[str, str], Admitted], persistent: Callable) -> None:
        super().__init__(file, encoding="bytes")
        self._admitted, self._persistent = admitted, persistent

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in self._admitted:
            raise pickle.UnpicklingError(
                f"it asks for {module}.{name}, and only NumPy arrays, tensors and plain values are admitted"
            )
        return self._admitted[module, name]

    def persistent_load(self, pid: object) -> object:
        return self._persistent(pid)


def _no_references(pid: object) -> object:
    raise pickle.UnpicklingError(f"it refers to data outside itself ({type(pid).__name__})")


def unpickle(
    file: io.BytesIO, admitted: Mapping[tuple[str, str], Admitted], persistent: Callable = _no_references
) -> object:
    """The next pickled value in ``file``, which is left behind it; strings of Python 2 come back as bytes.

    ``admitted`` holds all that the pickle may name; ``persistent`` resolves its references to outside data.
    Raises some exception, which one depends on the damage, for anything else.
    """
    start = file.tell()
    _check_steps(file)
    end = file.tell()
    file.seek(start)
    value = _Unpickler(file, admitted, persistent).load()
    file.seek(end)
    return value


def _check_steps(file: io.BytesIO) -> None:
    tuples = largest_slot = 0
    for count, (step, argument, _) in enumerate(pickletools.genops(file), 1):
        if step.name not in _STEPS:
            raise pickle.UnpicklingError(f"it builds objects or the like ({step.name}); save a state dict")
        tuples += step.name in _TUPLES
        largest_slot = max(largest_slot, argument if step.name in _PUTS else 0)
        if count > _MOST_STEPS or tuples > _MOST_TUPLES:
            raise pickle.UnpicklingError("it has more parts than a checkpoint or a data set needs")
    if largest_slot > count:
        raise pickle.UnpicklingError("it numbers its parts beyond their count")


class _Dtype:
    """What a pickled dtype says of itself; NumPy's own would trust it."""

    __slots__ = ("order", "spec")

    def __init__(self, spec: str | bytes, *_flags: object) -> None:
        self.spec, self.order = _text(spec), "|"

    def __setstate__(self, state: tuple) -> None:
        self.order = _text(state[1])

    def dtype(self) -> np.dtype:
        if not re.fullmatch(r"b1|[iu][1248]|f[248]", self.spec) or self.order not in ("<", ">", "|", "="):
            raise pickle.UnpicklingError(f"expected an array of numbers, received dtype {self.spec[:20]!r}")
        return np.dtype(self.spec).newbyteorder(self.order)


class _Array:
    """What a pickled array says of itself."""

    __slots__ = ("state",)

    def __init__(self, kind: object, _shape: object, _typecode: object) -> None:
        if kind is not _NDARRAY:
            raise pickle.UnpicklingError("expected a NumPy array, received a subclass")

    def __setstate__(self, state: tuple) -> None:
        self.state = state

    def array(self) -> np.ndarray:
        """The array, after its size was compared with the bytes that are there."""
        shape, dtype, fortran, data = _ArrayState(*self.state[-4:])
        if not (isinstance(dtype, _Dtype) and isinstance(data, bytes)):
            raise pickle.UnpicklingError("expected an array of numbers, received one of objects")
        flat = np.frombuffer(data, dtype.dtype())
        if not all(isinstance(side, int) and side >= 0 for side in shape):
            raise pickle.UnpicklingError(f"expected an array's shape, received {str(shape)[:50]}")
        return flat.reshape(shape, order="F" if fortran else "C").copy()


class _ArrayState(NamedTuple):
    shape: tuple[int, ...]
    dtype: _Dtype
    fortran: bool
    data: bytes


def _text(value: str | bytes) -> str:
    return value.decode("ascii") if isinstance(value, bytes) else str(value)


def _latin1(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", b"latin1"):
        raise pickle.UnpicklingError("only the codec latin1 is admitted")
    return text.encode("latin1")


_NDARRAY = Admitted()
_ADMITTED = {
    # numpy 1 and 2 name the same function differently; protocol 2 spells bytes through _codecs.encode
    ("numpy.core.multiarray", "_reconstruct"): Admitted(_Array),
    ("numpy._core.multiarray", "_reconstruct"): Admitted(_Array),
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): Admitted(_Dtype),
    ("_codecs", "encode"): Admitted(_latin1),
}


def load_arrays(data: bytes, where: str) -> dict:
    """The dict pickled in ``data``: arrays and plain values; strings of Python 2 come back as bytes.

    Raises UserError, naming ``where``, for anything that is damaged, is no dict or asks for code.
    """
    file = io.BytesIO(data)
    try:
        value = unpickle(file, _ADMITTED)
        if not isinstance(value, dict):
            raise pickle.UnpicklingError(f"a pickled {type(value).__name__}, where a dict was expected")
        if file.tell() != len(data):
            raise pickle.UnpicklingError(f"{len(data) - file.tell()} bytes after its end")
        return {key: item.array() if isinstance(item, _Array) else item for key, item in value.items()}
    except Exception as error:  # a hostile pickle can make the unpickler raise anything
        raise UserError(f"{where}: expected a pickle of NumPy arrays, received one that fails: {error}") from error
