"""Readers for the ways CIFAR-10 lies on people's disks, each returning train images followed by test images."""

import re
import tarfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shared.errors import UserError
from shared.pictures import read_picture
from shared.safe_pickle import load_arrays

_BATCHES = (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch")
_RECORDS, _SIDE = 10_000, 32
_ARCHIVES = (".tar.gz", ".tgz", ".tar")
_PICTURES = {".png", ".jpg", ".jpeg"}
LAYOUTS = (
    "cifar-10-batches-bin/ or its archive, cifar-10-batches-py/ or its archive, "
    "a Keras-style .npz (x_train, y_train, x_test, y_test), or a folder with train/CLASS/*.png|jpg and test/CLASS/*"
)


class Images(NamedTuple):
    """``pixels`` uint8 (N, H, W, 3) and ``labels`` int64 (N,); the first ``num_train`` come from the training files."""

    pixels: np.ndarray
    labels: np.ndarray
    num_train: int


def read_images(path: Path) -> Images:
    """The images at ``path``, in whichever supported layout; UserError says what is missing or wrong."""
    if not path.exists():
        raise UserError(f"no such data: {path}; expected {LAYOUTS}")
    if path.name.endswith(_ARCHIVES):
        return _read_archive(path)
    if path.is_file():
        return _read_npz(path)
    return _read_folder(path)


def read_digits() -> Images:
    """scikit-learn's bundled digits (Alpaydin and Kaynak, UCI 1998): 1,797 grey 8x8 images, as RGB uint8."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    grey = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    return Images(np.repeat(grey[..., None], 3, axis=3), digits.target.astype(np.int64), len(grey))


def _read_folder(folder: Path) -> Images:
    found: dict[Path, Callable[[], Images]] = {}
    for inner, suffix in (("cifar-10-batches-bin", ".bin"), ("cifar-10-batches-py", "")):
        for place in (folder, folder / inner):
            if any((place / f"{name}{suffix}").exists() for name in _BATCHES):
                found[place] = partial(_read_batches, place, partial(_read_file, place), suffix)
    if (folder / "train").is_dir() or (folder / "test").is_dir():
        found[folder / "train"] = partial(_read_pictures, folder)
    found |= {file: partial(_read_npz, file) for file in sorted(folder.glob("*.npz"))}
    if len(found) != 1:
        received = f"several: {', '.join(map(str, found))}; name one of them" if found else "none of these"
        raise UserError(f"{folder}: expected one data set ({LAYOUTS}), received {received}")
    return next(iter(found.values()))()


def _read_file(folder: Path, name: str) -> bytes:
    return (folder / name).read_bytes()


def _read_archive(path: Path) -> Images:
    try:
        with tarfile.open(path) as archive:
            files = {Path(m.name).name: archive.extractfile(m).read() for m in archive if m.isfile()}
    except (tarfile.TarError, OSError, EOFError) as error:
        raise UserError(f"{path}: expected a CIFAR-10 archive, received a damaged one ({error})") from error
    return _read_batches(path, files.__getitem__, ".bin" if "data_batch_1.bin" in files else "")


def _read_batches(place: Path, read: Callable[[str], bytes], suffix: str) -> Images:
    parse = _parse_binary if suffix == ".bin" else _parse_python
    parts = []
    for name in _BATCHES:
        try:
            data = read(name + suffix)
        except (OSError, KeyError) as error:
            raise UserError(f"{place}: expected the file {name}{suffix}, which is missing or unreadable") from error
        parts.append(parse(data, f"{place}/{name}{suffix}"))
    pixels = np.concatenate([pixels for pixels, _ in parts]).reshape(-1, 3, _SIDE, _SIDE)
    labels = np.concatenate([labels for _, labels in parts])
    return Images(np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)), labels, 5 * _RECORDS)


def _parse_binary(data: bytes, where: str) -> tuple[np.ndarray, np.ndarray]:
    record = 1 + 3 * _SIDE * _SIDE
    if len(data) != _RECORDS * record:
        raise UserError(f"{where}: expected {_RECORDS * record} bytes, received {len(data)}; fetch the file again")
    records = np.frombuffer(data, np.uint8).reshape(_RECORDS, record)
    return records[:, 1:], records[:, 0].astype(np.int64)


def _parse_python(data: bytes, where: str) -> tuple[np.ndarray, np.ndarray]:
    batch = load_arrays(data, where)
    pixels, labels = batch.get(b"data", batch.get("data")), batch.get(b"labels", batch.get("labels"))
    expected = (_RECORDS, 3 * _SIDE * _SIDE)
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape != expected:
        raise UserError(f"{where}: expected data as uint8 {expected}, received {_describe(pixels)}")
    return pixels, _as_labels(labels, _RECORDS, where)


def _read_npz(path: Path) -> Images:
    keys = ("x_train", "y_train", "x_test", "y_test")
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [key for key in keys if key not in file]
            if missing:
                raise UserError(f"{path}: expected the arrays {', '.join(keys)}; missing {', '.join(missing)}")
            x_train, y_train, x_test, y_test = (file[key] for key in keys)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise UserError(f"{path}: expected a .npz of plain arrays, received a damaged file ({error})") from error
    for key, images in (("x_train", x_train), ("x_test", x_test)):
        if (
            images.dtype != np.uint8
            or images.ndim != 4
            or images.shape[3] != 3
            or images.shape[1:] != x_train.shape[1:]
        ):
            raise UserError(f"{path}: expected {key} as uint8 (N, height, width, 3), received {_describe(images)}")
    labels = [_as_labels(y, len(x), str(path)) for x, y in ((x_train, y_train), (x_test, y_test))]
    return Images(np.concatenate([x_train, x_test]), np.concatenate(labels), len(x_train))


def _read_pictures(folder: Path) -> Images:
    pixels, labels, counts, classes = [], [], [], None
    for part in ("train", "test"):
        names = (
            sorted(child.name for child in (folder / part).iterdir() if child.is_dir())
            if (folder / part).is_dir()
            else []
        )
        classes = classes or names
        if not names or names != classes:
            raise UserError(f"{folder / part}: expected one folder per class {classes or ''}, received {names}")
        for label, name in enumerate(names):
            files = sorted(
                (file for file in (folder / part / name).iterdir() if file.suffix.lower() in _PICTURES),
                key=lambda file: [int(piece) if piece.isdigit() else piece for piece in re.split(r"(\d+)", file.name)],
            )
            pixels += [read_picture(file, str(file)) for file in files]
            labels += [label] * len(files)
        counts.append(len(pixels))
    if len({image.shape for image in pixels}) != 1:
        raise UserError(f"{folder}: expected images of one size, received {sorted({i.shape[:2] for i in pixels})}")
    return Images(np.stack(pixels), np.array(labels, np.int64), counts[0])


def _as_labels(labels: object, count: int, where: str) -> np.ndarray:
    try:
        values = np.asarray(labels).reshape(-1)
    except ValueError as error:
        raise UserError(f"{where}: expected {count} integer labels, received {_describe(labels)}") from error
    if values.shape != (count,) or values.dtype.kind not in "iu":
        raise UserError(f"{where}: expected {count} integer labels, received {_describe(labels)}")
    return values.astype(np.int64)


def _describe(value: object) -> str:
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
