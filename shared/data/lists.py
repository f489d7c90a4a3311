"""List files as DeepHash-pytorch and HashNet use them: train.txt, test.txt and database.txt, an image a line.

A line holds the path of an image, absolute or relative to the folder of the lists, then its class id or its row of 0
and 1, a number a class. The files are the split: test.txt holds the queries, train.txt the training images, and
database.txt the database, which is that of train.txt where the file is missing.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shared.config.protocols import MAX_CLASSES
from shared.data.collection import Reading, read_all
from shared.data.images import SEVERAL_CLASSES, Images, Split
from shared.data.pictures import Picture
from shared.system.errors import UserError, printable
from shared.system.files import read_bytes

TRAIN, TEST, DATABASE = "train.txt", "test.txt", "database.txt"
_MOST_BYTES, _MOST_LINES, _MOST_CHARACTERS = 1 << 28, 5_000_000, 1 << 18
_MOST_DIGITS = 9


class _Entry(NamedTuple):
    """An image: the class ids that its line gives by so many ``columns`` of numbers, and where the line stands."""

    path: Path
    classes: tuple[int, ...]
    columns: int
    where: str


def is_list_folder(folder: Path) -> bool:
    """Whether ``folder`` holds list files."""
    return any((folder / name).is_file() for name in (TRAIN, TEST, DATABASE))


def read_lists(folder: Path, reading: Reading) -> Images:
    """The images that the list files in ``folder`` name, each once, those to train on and of the database first.

    Raises UserError for missing or damaged files, an image of several classes or with two labels, and like
    ``read_all``.
    """
    lists = {name: _read_list(folder, name) for name in (TRAIN, DATABASE, TEST)}
    lists[DATABASE] = lists[DATABASE] or lists[TRAIN]
    entries: dict[Path, _Entry] = {}
    for entry in (entry for listed in lists.values() for entry in listed):
        known = entries.setdefault(entry.path, entry)
        _check_label(entry, next(iter(entries.values())))
        if known.classes != entry.classes:
            raise UserError(f"{entry.where}: expected the label that {known.where} gives this image, received another")
    files = list(entries)
    collected = read_all([Picture(file, str(file)) for file in files], str(folder), reading)
    number = {files[kept]: place for place, kept in enumerate(collected.kept)}
    index = {name: [number[e.path] for e in listed if e.path in number] for name, listed in lists.items()}
    for name, numbers in index.items():
        if not numbers:
            raise UserError(f"{folder / name}: expected pictures that can be read, received none")
    return Images(
        collected.pixels,
        np.array([entries[file].classes[0] for file in number], np.int64),
        num_train=len({*index[TRAIN], *index[DATABASE]}),
        notes=collected.notes,
        listed=Split(*(np.array(index[name], np.int64) for name in (TEST, TRAIN, DATABASE))),
        is_list=True,
    )


def _read_list(folder: Path, name: str) -> list[_Entry]:
    file = folder / name
    if name == DATABASE and not file.exists():
        return []
    if not file.is_file():
        raise UserError(f"{file}: expected {TRAIN} and {TEST}, and maybe {DATABASE}, in one folder; it is missing")
    content = read_bytes(file, "a list of images", _MOST_BYTES)
    if b"\0" in content:
        raise UserError(f"{file}: expected a text, an image a line, received binary data; save it as UTF-8")
    lines = content.count(b"\n")
    if lines > _MOST_LINES:
        raise UserError(f"{file}: expected at most {_MOST_LINES} lines, received {lines}")
    entries = list(_entries(folder, file, content.removeprefix(b"\xef\xbb\xbf")))
    if not entries:
        raise UserError(f"{file}: expected an image a line, received none")
    return entries


def _entries(folder: Path, file: Path, content: bytes) -> Iterator[_Entry]:
    base = Path(os.path.abspath(folder))
    for number, line in enumerate(content.split(b"\n"), 1):
        # a file's name may be any bytes
        text, where = os.fsdecode(line).strip(), f"{file}, line {number}"
        if not text:
            continue
        numbers = _numbers(text)
        if not numbers or len(text) > _MOST_CHARACTERS:
            received = printable(text, 80)
            raise UserError(f"{where}: expected a path, then a class id or a row of 0 and 1, received {received!r}")
        path = _path(base, text.rsplit(None, len(numbers))[0], where)
        yield _Entry(path, _classes(numbers, where), len(numbers), where)


def _numbers(text: str) -> list[int]:
    """The numbers at the end of a line, after a path that may hold spaces and numbers, too."""
    words, numbers = text.split(), []
    for word in reversed(words[1:]):
        if not (word.isascii() and word.isdecimal() and len(word) <= _MOST_DIGITS):
            break
        numbers.append(int(word))
    return numbers[::-1]


def _classes(numbers: list[int], where: str) -> tuple[int, ...]:
    if len(numbers) == 1:
        if numbers[0] >= MAX_CLASSES:
            raise UserError(f"{where}: expected a class id from 0 to {MAX_CLASSES - 1}, received {numbers[0]}")
        return tuple(numbers)
    if max(numbers) > 1:
        raise UserError(f"{where}: expected a row of 0 and 1, or one class id, received a {max(numbers)} in a row")
    return tuple(place for place, value in enumerate(numbers) if value)


def _path(base: Path, text: str, where: str) -> Path:
    path = Path(os.path.normpath(base / text))
    if not os.path.isabs(text) and base not in path.parents:
        raise UserError(
            f"{where}: expected a path within {base}, or an absolute one, received {printable(text, 80)!r}; put the "
            "lists into the folder that their paths begin from"
        )
    return path


def _check_label(entry: _Entry, first: _Entry) -> None:
    """UserError unless a line has as many columns as the first one, and one class."""
    if entry.columns != first.columns:
        expected = f"{first.columns} numbers after the path, as {first.where} has"
        raise UserError(f"{entry.where}: expected {expected}, received {entry.columns}")
    if len(entry.classes) != 1:
        raise UserError(f"{entry.where}: expected one class, received {len(entry.classes)}; {SEVERAL_CLASSES}")
