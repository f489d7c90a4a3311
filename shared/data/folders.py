"""Pictures in class folders: which files count, in which order, and what the classes are called."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from shared.data.collection import Reading, read_all
from shared.data.images import Images
from shared.data.pictures import Picture, suffixes
from shared.system.errors import UserError, printable

PARTS = ("train", "test")
# what systems leave in folders, beside the names that begin with a dot
_SYSTEM_NAMES = {"thumbs.db", "desktop.ini", "__macosx", "icon\r"}
_MOST_NAMED = 5


def read_train_test(folder: Path, reading: Reading) -> Images:
    """The pictures in ``folder/train/CLASS`` and ``folder/test/CLASS``, class by class, numbers in names as numbers.

    Raises UserError unless both parts have the same class folders, and like ``read_all``.
    """
    others = [child for child in _visible(folder) if child.name not in PARTS]
    classes = {part: _class_folders(folder / part, others) for part in PARTS}
    return _read(folder, classes, _common_names(folder, classes), others, reading).with_parts()


def has_parts(folder: Path) -> bool:
    """Whether ``train/`` or ``test/`` is there and holds folders; one with pictures alone is a class of that name."""
    parts = [folder / part for part in PARTS if (folder / part).is_dir()]
    return any(child.is_dir() for part in parts for child in _visible(part))


def has_class_folders(folder: Path) -> bool:
    """Whether a folder in ``folder`` holds pictures."""
    return any(child.is_dir() and bool(_pictures(child, [])) for child in _visible(folder))


def read_class_folders(folder: Path, reading: Reading) -> Images:
    """The pictures in ``folder/CLASS``, class by class, numbers in names as numbers; all may be trained on.

    Raises UserError unless there are two class folders or more, and like ``read_all``.
    """
    others: list[Path] = []
    classes = _class_folders(folder, others)
    names = _names(folder, [place.name for place in classes])
    return _read(folder, {PARTS[0]: classes}, names, others, reading)


def _read(
    folder: Path, classes: dict[str, list[Path]], names: tuple[str, ...], others: list[Path], reading: Reading
) -> Images:
    """The pictures of the ``classes`` of each part; what is no picture goes to ``others``."""
    files, labels, counts = [], [], []
    for places in classes.values():
        for label, place in enumerate(places):
            pictures = _pictures(place, others)
            files += pictures
            labels += [label] * len(pictures)
        counts.append(len(files))
    if not files:
        raise UserError(f"{folder}: expected pictures ({', '.join(suffixes())}), received none{_other_files(others)}")
    collected = read_all([Picture(file, str(file)) for file in files], str(folder), reading)
    num_train = int((collected.kept < counts[0]).sum())
    notes = (*_notes(folder, others), *collected.notes)
    return Images(collected.pixels, np.array(labels, np.int64)[collected.kept], num_train, names, notes)


def no_data_set(folder: Path) -> str:
    """What is in ``folder`` instead of a data set, and what to do about it."""
    children = list(_visible(folder))
    if not children:
        return "an empty folder"
    mend = ""
    if _pictures(folder, []):
        mend = "; put the pictures of each class into a folder of its own"
    elif any(child.is_dir() for child in children):
        mend = "; name the folder that holds one"
    return _cut(", ".join(child.name for child in children)) + mend


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
    return _names(folder / PARTS[0], train)


def _names(folder: Path, names: list[str]) -> tuple[str, ...]:
    if len(names) < 2:
        received = f"one: {_cut(names[0])}" if names else "none"
        raise UserError(f"{folder}: expected two class folders or more, received {received}")
    return tuple(map(printable, names))


def _pictures(place: Path, others: list[Path]) -> list[Path]:
    pictures = []
    for child in _visible(place):
        is_picture = child.suffix.lower() in suffixes() and not child.is_dir()
        (pictures if is_picture else others).append(child)
    return pictures


def _visible(folder: Path) -> Iterator[Path]:
    children = (child for child in folder.iterdir() if not child.name.startswith("."))
    return iter(sorted((child for child in children if child.name.lower() not in _SYSTEM_NAMES), key=natural_order))


def _notes(folder: Path, others: list[Path]) -> tuple[str, ...]:
    return (f"{folder}: left out{_other_files([file.relative_to(folder) for file in others])}",) if others else ()


def _other_files(others: list[Path]) -> str:
    if not others:
        return ""
    named = ", ".join(map(str, others[:_MOST_NAMED]))
    more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
    return f", {len(others)} that are no class folder and no picture in one: {named}{more}"


def _cut(names: str) -> str:
    return printable(names, 200)
