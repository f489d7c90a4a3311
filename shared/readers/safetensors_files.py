"""Reading safetensors files array by array, the types that NumPy lacks included; the library checks the header."""

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from shared.readers.float_types import BFLOAT16, WIDENED
from shared.readers.pickle_values import PickleError
from shared.readers.trees import Stored
from shared.system.errors import UserError, printable

_TYPES = {
    **{f"F{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
    **{f"{sign}{8 * size}": np.dtype(f"<{sign.lower()}{size}") for sign in "IU" for size in (1, 2, 4, 8)},
    "BF16": BFLOAT16,
    "BOOL": np.dtype("?"),
}


@dataclass(frozen=True, eq=False)
class StoredTensor(Stored):
    """A tensor still in its file."""

    path: Path
    kind: str
    shape: tuple[int, ...]
    begin: int

    def array(self) -> np.ndarray:
        """A copy of the values; PickleError for numbers of a type that has no place here."""
        if self.kind not in _TYPES:
            kind = printable(self.kind, 20)
            raise PickleError(f"holds numbers of the type {kind}, where float32 is expected; {WIDENED}")
        count = int(np.prod(self.shape, dtype=np.int64))
        return np.fromfile(self.path, _TYPES[self.kind], count, offset=self.begin).reshape(self.shape)


def read_safetensors(path: Path) -> tuple[dict[str, StoredTensor], dict]:
    """The tensors in the order of their names, and our metadata, {} where there is none.

    Raises UserError for a missing or damaged file.
    """
    try:
        with safe_open(path, framework="np") as file:
            text = (file.metadata() or {}).get("greedyhash", "{}")
            names = sorted(file.keys())
        header, begin = _header(path)
        metadata = json.loads(text)
        if not isinstance(metadata, dict):
            raise ValueError("its metadata is no JSON object")
    except (OSError, SafetensorError, ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{path}: expected a safetensors file, received one that is {_damage(error)}") from error
    tensors = {}
    for name in names:
        entry = header[name]
        tensors[name] = StoredTensor(path, entry["dtype"], tuple(entry["shape"]), begin + entry["data_offsets"][0])
    return tensors, metadata


def _header(path: Path) -> tuple[dict, int]:
    """The file's own description of its tensors, and where their values begin."""

    # the library takes the last of two entries with one name
    def refuse_twice(pairs: list[tuple[str, object]]) -> dict:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("two entries have one name")
        return dict(pairs)

    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > file.seek(0, io.SEEK_END) - 8:
            raise ValueError("it ends within its header")
        file.seek(8)
        return json.loads(file.read(length), object_pairs_hook=refuse_twice), 8 + length


def _damage(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "not there"
    return f"damaged ({error})" if type(error) is ValueError else f"damaged ({type(error).__name__})"
