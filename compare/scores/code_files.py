"""Codes and labels of anybody's model, from the files people keep them in."""

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from compare.scores.arrays import open_arrays
from compare.scores.names import BITS, CODES, INDEX, LABELS, names_of
from shared.codes.codes import Codes
from shared.codes.packing import ZEROS
from shared.scoring.own_items import positions_of
from shared.system.errors import UserError, printable

ROLES = {"query": "tst", "database": "trn"}  # as DeepHash-pytorch names its arrays
_ACCEPTED = (
    "a .npz, .mat, .pt or .pth with codes and labels (and bits, if the codes are packed), a .npy or .pt of codes with "
    "the labels beside it, a run folder of this project or its codes.npz, or a folder with DeepHash-pytorch's "
    "*tst_binary.npy and *trn_binary.npy"
)
# end of the name of the codes' file -> end of that of its labels
_LABEL_NAMES = {"binary": "label", "codes": "labels"}


class CodeSet(NamedTuple):
    """Codes in any form that ``evaluate`` takes, labels, and the number of bits if the codes are packed.

    ``index`` are numbers of the images, if the file has them. ``both_sides``: it holds the other side's codes as well.
    ``bit_margin`` (N, bits) is |hash logit|, which a run of this project keeps.
    """

    codes: np.ndarray
    labels: np.ndarray
    bits: int | None = None
    index: np.ndarray | None = None
    both_sides: bool = False
    bit_margin: np.ndarray | None = None


def add_file_options(parser: argparse.ArgumentParser, required: bool) -> None:
    """Give a command the options that name the files of two sides."""
    add = parser.add_argument
    add("--query", type=Path, required=required, metavar="PATH", help="file or folder: the queries' codes and labels")
    add("--database", type=Path, metavar="PATH", help="default: that of --query, if it holds both sides")
    add("--query-labels", type=Path, metavar="FILE", help="labels, if the file of the codes has none")
    add("--database-labels", type=Path, metavar="FILE")
    add("--bits", type=int, metavar="N", help="code length of packed uint64 words or uint8 bytes; default: the file's")
    add("--zeros", choices=ZEROS, default="refuse", help="what an exact 0 among -1 and +1 is")
    add(
        "--exclude-self",
        action="store_true",
        help="leave each query out of its own ranking: by index where both files have it, else query i is item i",
    )


def read_both(arguments: argparse.Namespace) -> tuple[CodeSet, CodeSet]:
    """Queries and database as these options name them; raises like ``read_codes``."""
    if arguments.database_labels and not arguments.database:
        raise UserError(f"--database-labels: expected --database with {arguments.database_labels}, received none")
    with_index = arguments.exclude_self
    queries = read_codes(arguments.query, "query", arguments.query_labels, with_index)
    if not (arguments.database or queries.both_sides):
        raise UserError(
            f"--database: expected a file, since {arguments.query} holds one side alone; to search it with its own "
            f"codes: --database {arguments.query} --exclude-self"
        )
    path = arguments.database or arguments.query
    return queries, read_codes(path, "database", arguments.database_labels, with_index)


def common_bits(choice: int | None, queries: CodeSet, database: CodeSet) -> int | None:
    """The number of bits that is known of packed codes, None if of neither; UserError if it differs."""
    known = {bits for bits in (choice, queries.bits, database.bits) if bits is not None}
    if len(known) > 1:
        raise UserError(f"codes: expected one bit count, received {' and '.join(map(printable, sorted(known)))}")
    return known.pop() if known else None


def left_out(exclude_self: bool, queries: CodeSet, database: CodeSet) -> np.ndarray | bool:
    """The argument ``exclude_self`` of ``own_items``: positions by index where both sides have it, else the option.

    Raises UserError for an index that is not one whole number for each code, or has a number of the database twice.
    """
    if not exclude_self or queries.index is None or database.index is None:
        return exclude_self
    query_index, item_index = _checked_index(queries, "query"), _checked_index(database, "database")
    if len(np.unique(item_index)) < len(item_index):
        raise UserError("--exclude-self: expected an index of different numbers for the database, received some twice")
    positions = positions_of(query_index, item_index)
    if (positions < 0).all():
        print("note: --exclude-self: by index no query is an item of the database; none is left out", file=sys.stderr)
    return positions


def note_what_finds_itself(exclude_self: bool, queries: CodeSet, database: CodeSet) -> None:
    """Say on stderr, unless ``exclude_self``, that the database begins with these very queries, where it does."""
    count = len(queries.codes)
    pairs = (queries.codes, database.codes[:count]), (queries.labels, database.labels[:count])
    if not exclude_self and all(np.array_equal(beginning, rows) for beginning, rows in pairs):
        print(
            "note: each query is an item of the database, too, and finds itself at distance 0, which raises every "
            "score; --exclude-self leaves it out of its own ranking",
            file=sys.stderr,
        )


def _checked_index(side: CodeSet, role: str) -> np.ndarray:
    index, count = side.index, len(side.codes)
    if index.size != count or not _is_whole(index):
        received = f"{index.dtype} {index.shape}"
        raise UserError(f"{role} index: expected {count} whole numbers, one for each code, received {received}")
    return index.reshape(-1).astype(np.int64)


def read_codes(path: Path, role: str, labels: Path | None = None, with_index: bool = False) -> CodeSet:
    """The codes in ``path``, as ``role`` ("query" or "database") where it holds both; a .npy is memory-mapped.

    ``labels`` is the file with the labels of one that has none; ``with_index`` reads the images' numbers, too. Raises
    UserError for files that are missing, damaged or something else.
    """
    if not path.exists():
        raise UserError(f"--{role}: {path} does not exist; expected {_ACCEPTED}")
    file = _file_in(path, role) if path.is_dir() else path
    arrays = open_arrays(file)
    if isinstance(arrays, np.ndarray):
        # of a folder that holds both sides each has a file of its own
        return CodeSet(arrays, _single(labels or _labels_beside(file, role)), both_sides=path.is_dir())
    if "num_queries" in arrays.names:
        _check_no_labels(labels, role, file)
        return _of_run(file, role)
    names, both_sides = names_of(arrays, role, file)
    if LABELS in names:
        _check_no_labels(labels, role, file)
    elif labels is None:
        raise UserError(
            f"{file}: expected the arrays codes and labels, received {arrays.listed}; or pass --{role}-labels"
        )
    wanted = {kind: name for kind, name in names.items() if kind != INDEX or with_index}
    values = arrays.read(list(wanted.values()))
    by_kind = {kind: values[name] for kind, name in wanted.items()}
    label_array = by_kind[LABELS] if LABELS in wanted else _single(labels)
    bits = _number(by_kind[BITS], file) if BITS in wanted else None
    return CodeSet(by_kind[CODES], label_array, bits, by_kind.get(INDEX), both_sides)


def _file_in(folder: Path, role: str) -> Path:
    if (folder / "codes.npz").exists():
        return folder / "codes.npz"
    files = sorted(folder.glob(f"*{ROLES[role]}_binary.npy"))
    if len(files) != 1:
        several = f"; name one of {', '.join(file.name for file in files)}" if files else ""
        raise UserError(f"--{role}: expected {_ACCEPTED}; received {folder} with {len(files)} such files{several}")
    return files[0]


def _of_run(file: Path, role: str) -> CodeSet:
    codes = Codes.load(file)
    part = slice(None, codes.num_queries) if role == "query" else slice(codes.num_queries, None)
    return CodeSet(codes.codes[part], codes.labels[part], codes.bits, codes.index[part], True, codes.margin[part])


def _check_no_labels(labels: Path | None, role: str, file: Path) -> None:
    if labels is not None:
        raise UserError(f"--{role}-labels: expected none, since {file} holds its labels, received {labels}")


def _single(path: Path) -> np.ndarray:
    array = open_arrays(path)
    if isinstance(array, np.ndarray):
        return array
    raise UserError(f"{path}: expected a .npy, .pt or .pth of one array, the labels; received one of several arrays")


def _number(value: np.ndarray, file: Path) -> int:
    if value.size != 1 or not _is_whole(value):
        raise UserError(f"{file}: expected bits to be one whole number, received {value.dtype} {value.shape}")
    return int(value.reshape(-1)[0])


def _is_whole(values: np.ndarray) -> bool:
    return values.dtype.kind in "iu" or (
        values.dtype.kind == "f" and bool((np.isfinite(values) & (values == np.floor(values))).all())
    )


def _labels_beside(path: Path, role: str) -> Path:
    for codes_name, labels_name in _LABEL_NAMES.items():
        if path.stem.endswith(codes_name):
            beside = path.with_name(path.stem.removesuffix(codes_name) + labels_name + path.suffix)
            if beside.exists():
                return beside
            raise UserError(f"--{role}: expected the labels of {path} in {beside.name} beside it, or --{role}-labels")
    raise UserError(
        f"--{role}: expected --{role}-labels with {path}, which is not called ...codes{path.suffix} or "
        f"...binary{path.suffix}"
    )
