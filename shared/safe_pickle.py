"""Unpickling that admits NumPy arrays and plain containers and can run nothing else."""

import io
import pickle

import numpy as np

from shared.errors import UserError


def _latin1(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"codec {encoding!r} is not admitted")
    return text.encode("latin1")


_reconstruct = np.ndarray(0).__reduce__()[0]
_ADMITTED = {
    # numpy 1 and 2 name the same function differently; protocol 2 spells bytes through _codecs.encode
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _latin1,
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, and only NumPy arrays are admitted")
        return _ADMITTED[module, name]


def load_arrays(data: bytes, where: str) -> dict:
    """The dict pickled in ``data``; strings of Python 2 come back as bytes.

    Raises UserError, naming ``where``, for anything that is damaged, is no dict or asks for code.
    """
    try:
        value = _ArrayUnpickler(io.BytesIO(data), encoding="bytes").load()
    except Exception as error:  # a hostile pickle can make the unpickler raise anything
        raise UserError(f"{where}: expected a pickle of NumPy arrays, received one that fails: {error}") from error
    if not isinstance(value, dict):
        raise UserError(f"{where}: expected a pickled dict, received {type(value).__name__}")
    return value
