"""Pictures in train/CLASS/ and test/CLASS/: which files count, in which order, and what the classes are called."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from shared.data.images import Images
from shared.data.pictures import read_picture, suffixes
from shared.readers.arrays import MOST_BYTES
from shared.system.errors import UserError, printable

PARTS = ("train", "test")
# what systems leave in folders, beside the names that begin with a dot
_SYSTEM_NAMES = {"thumbs.db", "desktop.ini", "__macosx", "icon\r"}
_MOST_NAMED = 5


def read_class_folders(folder: Path) -> Images:
    """The pictures in ``folder/train/CLASS`` and ``folder/test/CLASS``, class by class, numbers in names as numbers.

    Raises UserError unless both parts have the same class folders and all pictures are whole and of one size.
    """
    others: list[Path] = []
    classes = {part: _class_folders(folder / part, others) for part in PARTS}
    names = _common_names(folder, classes)
    files, labels, counts = [], [], {}
    for part in PARTS:
        for label, place in enumerate(classes[part]):
            pictures = _pictures(place, others)
            files += pictures
            labels += [label] * len(pictures)
        counts[part] = len(files)
    if not files:
        raise UserError(f"{folder}: expected pictures ({', '.join(suffixes())}), received none{_other_files(others)}")
    pixels = _read_all(files, folder)
    return Images(pixels, np.array(labels, np.int64), counts["train"], names, _notes(folder, others))


def natural_order(path: Path) -> tuple:
    """The key that sorts names with their numbers as numbers: 2 before 10."""
    # every second piece is decimal digits
    pieces = [int(piece) if i % 2 else piece for i, piece in enumerate(re.split(r"(\d+)", path.name))]
    return pieces, path.name


def _class_folders(part: Path, others: list[Path]) -> list[Path]:
    if not part.is_dir():
        received = ", ".join(sorted(child.name for child in _visible(part.parent)))
        raise UserError(f"{part}: expected a folder with a folder per class, found none beside {_cut(received)}")
    folders = []
    for child in _visible(part):
        (folders if child.is_dir() else others).append(child)
    return folders


def _common_names(folder: Path, classes: dict[str, list[Path]]) -> tuple[str, ...]:
    train, test = ([place.name for place in classes[part]] for part in PARTS)
    if train != test:
        only = [
            f"in {part} alone: {_cut(', '.join(sorted(set(ours) - set(theirs)))) or 'none'}"
            for part, ours, theirs in (("train", train, test), ("test", test, train))
        ]
        raise UserError(f"{folder}: expected the same class folders in train and test, received {'; '.join(only)}")
    if len(train) < 2:
        received = f"one: {_cut(train[0])}" if train else "none"
        raise UserError(f"{folder}/train: expected two class folders or more, received {received}")
    return tuple(map(printable, train))


def _pictures(place: Path, others: list[Path]) -> list[Path]:
    pictures = []
    for child in _visible(place):
        is_picture = child.suffix.lower() in suffixes() and not child.is_dir()
        (pictures if is_picture else others).append(child)
    return pictures


def _visible(folder: Path) -> Iterator[Path]:
    children = (child for child in folder.iterdir() if not child.name.startswith("."))
    return iter(sorted((child for child in children if child.name.lower() not in _SYSTEM_NAMES), key=natural_order))


def _read_all(files: list[Path], folder: Path) -> np.ndarray:
    """uint8 (N, H, W, 3); the first picture says the size, and so the memory that all need."""
    first = read_picture(files[0], str(files[0]))
    total = len(files) * first.nbytes
    if total > MOST_BYTES:
        height, width, _ = first.shape
        raise UserError(
            f"{folder}: expected at most {MOST_BYTES} bytes of pixels, received {len(files)} pictures of "
            f"{width}x{height}, {total} bytes; make them smaller"
        )
    pixels = np.empty((len(files), *first.shape), np.uint8)
    for image, file in zip(pixels, files, strict=True):
        picture = read_picture(file, str(file))
        if picture.shape != first.shape:
            sizes = [f"{shape[1]}x{shape[0]}" for shape in (first.shape, picture.shape)]
            raise UserError(f"{file}: expected {sizes[0]} pixels, as {files[0]} has, received {sizes[1]}")
        image[:] = picture
    return pixels


def _notes(folder: Path, others: list[Path]) -> tuple[str, ...]:
    return (f"{folder}: left out{_other_files([file.relative_to(folder) for file in others])}",) if others else ()


def _other_files(others: list[Path]) -> str:
    if not others:
        return ""
    named = ", ".join(map(str, others[:_MOST_NAMED]))
    more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
    return f", {len(others)} without a picture's suffix or in a deeper folder: {named}{more}"


def _cut(names: str) -> str:
    return printable(names, 200)
