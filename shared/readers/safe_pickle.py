"""Pickles of NumPy arrays and plain containers, read without running anything in them.

Arrays are described by the pickle and made here, after their sizes were compared with the bytes that are there.
"""

import io
import re

import numpy as np

from shared.readers.float_types import BFLOAT16
from shared.readers.pickle_machine import Admitted, unpickle
from shared.readers.pickle_values import Global, PickleError, StandIn, checked_key, reason_of
from shared.readers.trees import Stored, read_stored
from shared.system.errors import UserError, printable

_MOST_SIDES = 64  # NumPy's own limit
_NUMBER = re.compile(r"b1|[iu][1248]|f[248]")
NDARRAY = Global("numpy", "ndarray")


class _Dtype:
    """A pickled dtype, checked before use; NumPy's own would not be."""

    __slots__ = ("_spec", "_state")

    def __init__(self, spec: object, *_flags: object) -> None:
        self._spec, self._state = spec, (3, "|")

    def set_state(self, state: object) -> None:
        self._state = state

    def dtype(self) -> np.dtype:
        if self._spec == Global("ml_dtypes", "bfloat16"):
            return BFLOAT16
        spec, order = _text(self._spec), _text(self._state[1])
        if not _NUMBER.fullmatch(spec) or order not in ("<", ">", "|", "="):
            raise PickleError(f"holds an array of no numbers (dtype {printable(spec, 20)})")
        return np.dtype(spec).newbyteorder(order)


class StoredArray(Stored):
    """An array as a pickle describes it."""

    __slots__ = ("_state",)

    def __init__(self, *state: object) -> None:
        self._state = state  # shape, dtype, whether in Fortran's order, bytes

    def set_state(self, state: object) -> None:
        self._state = state

    def array(self) -> np.ndarray:
        """A copy of the values; PickleError, or any other exception, if the description is none of numbers."""
        if not isinstance(self._state, tuple) or len(self._state) < 4:
            raise PickleError("holds an array without values")
        shape, dtype, fortran, data = self._state[-4:]
        data = data.encode("latin-1") if isinstance(data, str) else data  # a string of Python 2
        if not (isinstance(dtype, _Dtype) and isinstance(data, bytes)):
            raise PickleError("holds an array of objects")
        flat = np.frombuffer(data, dtype.dtype())
        return flat.reshape(checked_sizes(shape), order="F" if fortran is True or fortran == 1 else "C").copy()


def checked_sizes(sizes: object) -> tuple[int, ...]:
    """``sizes`` as a shape; PickleError for anything else, of which nothing is shown: it may be a tower of tuples."""
    if not isinstance(sizes, tuple) or len(sizes) > _MOST_SIDES:
        raise PickleError("holds an array whose shape is none")
    if not all(type(side) is int and 0 <= side < 2**62 for side in sizes):
        raise PickleError("holds an array whose sizes are no whole numbers in range")
    return sizes


def _text(value: object) -> str:
    if not isinstance(value, (str, bytes)):
        raise PickleError("holds an array whose type is none")
    return value.decode("ascii") if isinstance(value, bytes) else value


def _array(kind: object, *_: object) -> object:
    return StoredArray() if kind == NDARRAY else StandIn("a subclass of numpy.ndarray")


def _buffer(data: object, dtype: object, shape: object, order: object) -> StoredArray:
    return StoredArray(shape, dtype, order in ("F", b"F"), data)


def _scalar(dtype: object, data: object = None) -> object:
    """A number; a text or the like has no place here."""
    try:
        return StoredArray((), dtype, False, data).array().item()
    except Exception:  # whatever it is, it is no number
        return StandIn("numpy.generic")


def _latin1(text: object, encoding: object) -> object:
    if isinstance(text, str) and encoding in ("latin1", b"latin1"):
        return text.encode("latin1")
    return StandIn("_codecs.encode")


def _bytes(data: object = b"", encoding: object = "latin-1") -> object:
    if isinstance(data, str) and encoding in ("latin-1", b"latin-1"):
        return data.encode("latin-1")
    return data if isinstance(data, bytes) else StandIn("builtins.bytes")


def _dict(items: object = ()) -> object:
    if isinstance(items, dict):
        return items
    return {checked_key(key): value for key, value in items}


def _row(items: object) -> list | tuple:
    if not isinstance(items, (list, tuple)):
        raise PickleError("makes a list of what is none")
    return items


def _default_dict(_factory: object = None) -> dict:
    return {}


PLAIN: Admitted = {
    # numpy 1 and 2 name the same functions differently
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _array for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _buffer for core in ("core", "_core")},
    ("numpy", "dtype"): _Dtype,
    # protocols up to 2 spell bytes in these ways
    ("_codecs", "encode"): _latin1,
    ("builtins", "bytes"): _bytes,
    ("builtins", "bytearray"): _bytes,
    ("builtins", "dict"): _dict,
    ("builtins", "list"): lambda items=(): list(_row(items)),
    ("builtins", "tuple"): lambda items=(): tuple(_row(items)),
    ("collections", "OrderedDict"): _dict,
    ("collections", "Counter"): _dict,
    ("collections", "defaultdict"): _default_dict,
}


def read_pickle(data: bytes, where: str, more: Admitted | None = None, mend: str = "") -> dict:
    """The dict pickled in ``data``: plain values, StoredArray for arrays, stand-ins for what is neither.

    ``more`` are further functions that it may call, ``mend`` says how a dict comes about. Strings of Python 2 come back
    as bytes. Raises UserError, naming ``where``, for anything that is damaged or no dict.
    """
    file = io.BytesIO(data)
    try:
        value = unpickle(file, {**PLAIN, **(more or {})})
        if not isinstance(value, dict):
            kind = printable(value, 60) if isinstance(value, StandIn) else type(value).__name__
            raise PickleError(f"holds no dict but a {kind}{mend}")
        if file.tell() != len(data):
            raise PickleError(f"goes on after its end, for {len(data) - file.tell()} bytes")
    except Exception as error:  # a hostile pickle can make any step fail
        expected = "expected a pickle of NumPy arrays and plain values"
        raise UserError(f"{where}: {expected}, received one that fails: {reason_of(error)}") from error
    return value


def load_arrays(data: bytes, where: str) -> dict:
    """The dict pickled in ``data``: arrays and plain values; strings of Python 2 come back as bytes.

    Raises UserError, naming ``where``, for anything that is damaged, is no dict or holds something else.
    """
    value = read_pickle(data, where)
    if foreign := [item for item in value.values() if isinstance(item, (StandIn, Global))]:
        kind = printable(foreign[0], 100)
        raise UserError(f"{where}: expected NumPy arrays and plain values alone, received {kind}")
    return {key: read_stored(item, where) if isinstance(item, StoredArray) else item for key, item in value.items()}
