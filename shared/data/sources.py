"""Which reader the files at a path need: every layout gives train images followed by test images."""

import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shared.data import archives
from shared.data.archives import read_members
from shared.data.collection import Reading
from shared.data.folders import (
    PARTS,
    has_class_folders,
    has_parts,
    no_data_set,
    read_class_folders,
    read_train_test,
)
from shared.data.images import Images, as_labels, describe
from shared.data.lists import is_list_folder, read_lists
from shared.data.npz import read_image_arrays
from shared.data.parquet import SUFFIX, read_parquet
from shared.readers.safe_pickle import load_arrays
from shared.system.errors import UserError, printable

_BATCHES = (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch")
_RECORDS, _SIDE, _CLASSES = 10_000, 32, 10
_RECORD_BYTES = 1 + 3 * _SIDE * _SIDE
LAYOUTS = (
    "cifar-10-batches-bin/ or its archive, cifar-10-batches-py/ or its archive, a .npz (images, labels; or Keras-style "
    "x_train, y_train, x_test, y_test), Parquet, a folder with pictures in CLASS/ or in train/CLASS/ and test/CLASS/, "
    "or one with train.txt and test.txt"
)
_SHORTLY = "CIFAR-10's batches, a .npz, a .parquet or a folder of pictures"


class _Layout(NamedTuple):
    """One of CIFAR-10's two forms: how its files end, and the sizes in bytes that they can have."""

    suffix: str
    sizes: range
    parse: Callable[[bytes, str], tuple[np.ndarray, np.ndarray]]


def read_images(path: Path, reading: Reading) -> Images:
    """The images at ``path``, in whichever supported layout; UserError says what is missing or wrong."""
    if not path.exists():
        raise UserError(f"no such data: {path}; expected {LAYOUTS}")
    if path.is_dir():
        return _read_folder(path, reading)
    return _read_file(path, reading)


def read_digits() -> Images:
    """scikit-learn's bundled digits (Alpaydin and Kaynak, UCI 1998): 1,797 grey 8x8 images, as RGB uint8."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    grey = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    return Images(np.repeat(grey[..., None], 3, axis=3), digits.target.astype(np.int64), len(grey))


def _read_file(path: Path, reading: Reading) -> Images:
    name = path.name.lower()
    if name.endswith(archives.SUFFIXES):
        return _read_archive(path)
    if name.endswith(".npz"):
        return read_image_arrays(path)
    if name.endswith(SUFFIX):
        return read_parquet([path], reading)
    if name.endswith(".zip"):
        unpacked = shlex.quote(printable(path.with_suffix("")))
        raise UserError(f"{path}: expected {_SHORTLY}, received a .zip; unpack it: unzip {_quoted(path)} -d {unpacked}")
    if name.removesuffix(".bin") in _BATCHES:
        raise UserError(f"{path}: expected the folder with all six batches, received one of them; name {path.parent}")
    raise UserError(f"{path}: expected {LAYOUTS}, received another kind of file")


def _read_folder(folder: Path, reading: Reading) -> Images:
    if is_list_folder(folder):
        return read_lists(folder, reading)
    readers: dict[Path, Callable[[], Images]] = {}
    for inner, layout in (("cifar-10-batches-bin", _BINARY), ("cifar-10-batches-py", _PYTHON)):
        for place in (folder, folder / inner):
            if any((place / f"{name}{layout.suffix}").is_file() for name in _BATCHES):
                readers[place] = partial(_read_batches, place, partial(_read_batch, place), layout)
    if has_parts(folder):
        readers[folder / PARTS[0]] = partial(read_train_test, folder, reading)
    elif has_class_folders(folder):
        readers[folder / "CLASS"] = partial(read_class_folders, folder, reading)
    readers |= {file: partial(read_image_arrays, file) for file in _files(folder, ".npz")}
    # what somebody has unpacked often lies beside its archive
    readers = readers or {file: partial(_read_file, file, reading) for file in _files(folder, *archives.SUFFIXES)}
    if tables := [] if readers else [file for place in (folder, *_folders(folder)) for file in _files(place, SUFFIX)]:
        readers = {tables[0]: partial(read_parquet, tables, reading)}
    readers = readers or {file: partial(_read_file, file, reading) for file in _files(folder, ".zip")[:1]}
    if len(readers) != 1:
        several = f"several: {', '.join(map(str, readers))}; name one of them"
        received = several if readers else f"none of these: {no_data_set(folder)}"
        raise UserError(f"{folder}: expected one data set ({LAYOUTS}), received {received}")
    return next(iter(readers.values()))()


def _files(folder: Path, *suffixes: str) -> list[Path]:
    visible = sorted(file for file in folder.iterdir() if not file.name.startswith("."))
    return [file for file in visible if file.name.lower().endswith(suffixes) and file.is_file()]


def _folders(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))


def _read_archive(path: Path) -> Images:
    sizes = {name + layout.suffix: layout.sizes for name in _BATCHES for layout in (_BINARY, _PYTHON)}
    files = read_members(path, sizes)
    if not files:
        raise UserError(
            f"{path}: expected CIFAR-10's batches in it, received none; of pictures, unpack it and name the folder"
        )
    layout = _BINARY if any(name.endswith(_BINARY.suffix) for name in files) else _PYTHON
    return _read_batches(path, files.__getitem__, layout)


def _read_batch(folder: Path, name: str) -> bytes:
    file = folder / name
    size, layout = file.stat().st_size, _BINARY if name.endswith(_BINARY.suffix) else _PYTHON
    if size not in layout.sizes:
        expected = f"{layout.sizes[-1]} bytes" + (" at most" if len(layout.sizes) > 1 else "")
        raise UserError(f"{file}: expected {expected}, received {size}; fetch the file again")
    return file.read_bytes()


def _read_batches(place: Path, read: Callable[[str], bytes], layout: _Layout) -> Images:
    parts = []
    for name in _BATCHES:
        try:
            data = read(name + layout.suffix)
        except (OSError, KeyError) as error:
            raise UserError(
                f"{place}: expected the file {name}{layout.suffix}, which is missing or unreadable"
            ) from error
        parts.append(layout.parse(data, f"{place}/{name}{layout.suffix}"))
    pixels = np.concatenate([pixels for pixels, _ in parts]).reshape(-1, 3, _SIDE, _SIDE)
    labels = np.concatenate([labels for _, labels in parts])
    if not 0 <= labels.min() <= labels.max() < _CLASSES:
        received = f"{labels.min()} to {labels.max()}"
        raise UserError(f"{place}: expected labels 0 to {_CLASSES - 1}, received {received}")
    return Images(np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)), labels, 5 * _RECORDS).with_parts()


def _parse_binary(data: bytes, _where: str) -> tuple[np.ndarray, np.ndarray]:
    records = np.frombuffer(data, np.uint8).reshape(_RECORDS, _RECORD_BYTES)
    return records[:, 1:], records[:, 0].astype(np.int64)


def _parse_python(data: bytes, where: str) -> tuple[np.ndarray, np.ndarray]:
    batch = load_arrays(data, where)
    pixels, labels = (batch.get(name.encode(), batch.get(name)) for name in ("data", "labels"))
    expected = (_RECORDS, 3 * _SIDE * _SIDE)
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape != expected:
        raise UserError(f"{where}: expected data as uint8 {expected}, received {describe(pixels)}")
    return pixels, as_labels(labels, _RECORDS, where)


# pickled by the oldest protocol, a byte can take six
_BINARY = _Layout(".bin", range(_RECORDS * _RECORD_BYTES, _RECORDS * _RECORD_BYTES + 1), _parse_binary)
_PYTHON = _Layout("", range(1, 7 * _RECORDS * _RECORD_BYTES), _parse_python)


def _quoted(path: Path) -> str:
    return shlex.quote(printable(path))
