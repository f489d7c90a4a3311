"""The arrays of NumPy's, PyTorch's and MATLAB's files by name, each read when it is needed."""

import zipfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shared.readers.arrays import MOST_BYTES, npz_headers, read_npy, read_npz
from shared.readers.float_types import BFLOAT16, as_float32
from shared.readers.matlab_files import hdf5_conversion, matlab_names, read_matlab
from shared.readers.pickle_values import StandIn
from shared.readers.torch_files import read_torch
from shared.readers.trees import Stored, read_stored
from shared.system.errors import UserError, printable

_MOST_LISTED = 300
_TORCH = (".pt", ".pth")
_TO_TORCH = 'torch.save({"codes": torch.as_tensor(codes), "labels": torch.as_tensor(labels)}, "codes.pt")'
_DELIMITERS = {".csv": ", delimiter=','", ".tsv": ", delimiter='\\t'", ".txt": ""}


@dataclass(frozen=True)
class NamedArrays:
    """A file of several arrays: their ``names``, and how some of them are read; ``others`` are "name (kind)"."""

    names: Collection[str]
    read: Callable[[Collection[str]], dict[str, np.ndarray]]
    others: Collection[str] = ()

    @property
    def listed(self) -> str:
        """What is in the file, for a message."""
        others = f"; not full arrays of numbers: {', '.join(self.others)}" if self.others else ""
        return printable((", ".join(self.names) or "none") + others, _MOST_LISTED)


def open_arrays(path: Path) -> NamedArrays | np.ndarray:
    """What is in a .npz, .mat, .npy, .pt or .pth: arrays by name, or a single array, which a .npy leaves in the file.

    Raises UserError for other and for damaged files, with the command that converts them where there is one.
    """
    if not path.is_file():
        raise UserError(f"{path}: expected a file of arrays, received {'something else' if path.exists() else 'none'}")
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return read_npy(path, mmap=True)
    if suffix == ".npz":
        # what the file holds without compression may be read, however large it is
        return NamedArrays(_npz_names(path), lambda names: read_npz(path, names, max(MOST_BYTES, path.stat().st_size)))
    if suffix == ".mat":
        names, others = matlab_names(path)
        return NamedArrays(names, lambda names: read_matlab(path, names), others)
    if suffix in _TORCH:
        return _open_torch(path)
    raise UserError(f"{path}: expected a .npz, .npy, .pt, .pth or .mat; {_conversion(path)}")


def _npz_names(path: Path) -> list[str]:
    npz_headers(path, ())  # raises UserError for another kind of file
    with zipfile.ZipFile(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]


def _open_torch(path: Path) -> NamedArrays | np.ndarray:
    try:
        value = read_torch(path)
    except UserError as error:
        raise UserError(f"{error}; save codes and labels as tensors: {_TO_TORCH}") from error
    if isinstance(value, Stored):
        return _array(value, str(path))
    entries = [(name, item) for key, part in _items("", value) for name, item in _items(key, part)]
    numeric = {name: item for name, item in entries if _is_numbers(item)}

    def read(names: Collection[str]) -> dict[str, np.ndarray]:
        return {name: _array(numeric[name], f"{path}: {printable(name, 80)}") for name in names}

    others = [f"{name or 'the file'} ({_kind(item)})" for name, item in entries if not _is_numbers(item)]
    return NamedArrays(numeric, read, others)


def _items(name: str, value: object) -> list[tuple[str, object]]:
    """What is in a dict, its keys behind ``name`` and "_"; any other value under ``name`` itself."""
    if not isinstance(value, dict):
        return [(name, value)]
    return [(f"{name}_{key}" if name else str(key), item) for key, item in value.items()]


def _is_numbers(value: object) -> bool:
    is_list = isinstance(value, list) and bool(value) and all(isinstance(item, int) for item in value)
    return is_list or isinstance(value, (Stored, int))


def _kind(value: object) -> str:
    return str(value) if isinstance(value, StandIn) else type(value).__name__


def _array(value: object, where: str) -> np.ndarray:
    if isinstance(value, Stored):
        array = read_stored(value, where)
        return as_float32("the array", array, where) if array.dtype == BFLOAT16 else array
    try:
        return np.array(value, np.int64)
    except OverflowError as error:
        raise UserError(f"{where}: expected whole numbers of 64 bits, received larger ones") from error


def _conversion(path: Path) -> str:
    """The command that converts a file of another kind to one that is read here."""
    suffix, file, npz = path.suffix.lower(), repr(str(path)), repr(str(path.with_suffix(".npz")))
    if suffix in (".h5", ".hdf5"):
        return hdf5_conversion(path)
    if suffix == ".parquet":
        code = f"t = pd.read_parquet({file}); np.savez({npz}, codes=np.stack(t['codes']), labels=t['labels'])"
        return f'convert it: python -c "import numpy as np, pandas as pd; {code}"'
    if suffix in (".pkl", ".pickle"):
        code = f"d = pickle.load(open({file}, 'rb')); np.savez({npz}, codes=d['codes'], labels=d['labels'])"
        return f'a pickle can run anything; if you trust it: python -c "import pickle, numpy as np; {code}"'
    if suffix in _DELIMITERS:
        code = f"np.save({str(path.with_suffix('.npy'))!r}, np.loadtxt({file}{_DELIMITERS[suffix]}))"
        return f'convert codes and labels each: python -c "import numpy as np; {code}"'
    return 'write one from Python: np.savez("codes.npz", codes=codes, labels=labels)'
