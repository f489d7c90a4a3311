"""Codes and labels of anybody's model, from the files people keep them in."""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shared.codes import Codes
from shared.errors import UserError
from shared.packing import ZEROS

ROLES = {"query": "tst", "database": "trn"}  # as DeepHash-pytorch names its arrays
_ACCEPTED = (
    "a .npz with codes and labels (and bits, if the codes are packed), a .npy of codes with the labels beside it, a "
    "run folder of this project or its codes.npz, or a folder with DeepHash-pytorch's *tst_binary.npy and "
    "*trn_binary.npy"
)
# how the codes' file is called -> how that of its labels is
_LABEL_NAMES = {"binary.npy": "label.npy", "codes.npy": "labels.npy"}


class CodeSet(NamedTuple):
    """Codes in any form that ``evaluate`` takes, labels, and the number of bits if the codes are packed words."""

    codes: np.ndarray
    labels: np.ndarray
    bits: int | None = None


def add_file_options(parser: argparse.ArgumentParser, required: bool) -> None:
    """Give a command the options that name the files of two sides."""
    add = parser.add_argument
    add("--query", type=Path, required=required, metavar="PATH", help="file or folder: the queries' codes and labels")
    add("--database", type=Path, metavar="PATH", help="default: the same folder as --query, if it holds both")
    add("--query-labels", type=Path, metavar="FILE", help="labels (.npy), if --query is a .npy of another name")
    add("--database-labels", type=Path, metavar="FILE")
    add("--bits", type=int, metavar="N", help="code length of packed uint64 words; default: all 64 of every word")
    add("--zeros", choices=ZEROS, default="refuse", help="what an exact 0 among -1 and +1 is")
    add("--exclude-self", action="store_true", help="query i is item i of the database and is left out of its ranking")


def read_both(arguments: argparse.Namespace) -> tuple[CodeSet, CodeSet]:
    """Queries and database as these options name them; raises like ``read_codes``."""
    queries = read_codes(arguments.query, "query", arguments.query_labels)
    database = read_codes(arguments.database or arguments.query, "database", arguments.database_labels)
    if arguments.database is None and arguments.query.suffix == ".npy":
        raise UserError(f"--database: expected a file, since {arguments.query} holds the queries alone")
    return queries, database


def common_bits(choice: int | None, queries: CodeSet, database: CodeSet) -> int | None:
    """The number of bits that is known of packed words, None if of neither; UserError if it differs."""
    known = {bits for bits in (choice, queries.bits, database.bits) if bits is not None}
    if len(known) > 1:
        raise UserError(f"codes: expected one bit count, received {' and '.join(map(str, sorted(known)))}")
    return known.pop() if known else None


def read_codes(path: Path, role: str, labels: Path | None = None) -> CodeSet:
    """The codes in ``path``, as ``role`` ("query" or "database") where it holds both; arrays are memory-mapped.

    ``labels`` is a .npy with the labels of a .npy. Raises UserError for files that are missing, damaged or something
    else.
    """
    if not path.exists():
        raise UserError(f"--{role}: {path} does not exist; expected {_ACCEPTED}")
    if path.is_dir():
        return _from_folder(path, role)
    if path.suffix == ".npz":
        return _from_npz(path, role)
    if path.suffix == ".npy":
        return CodeSet(_array(path), _array(labels or _labels_beside(path, role)))
    raise UserError(f"--{role}: expected {_ACCEPTED}; received {path}")


def _from_folder(folder: Path, role: str) -> CodeSet:
    if (folder / "codes.npz").exists():
        return _from_npz(folder / "codes.npz", role)
    found = sorted(folder.glob(f"*{ROLES[role]}_binary.npy"))
    if len(found) != 1:
        several = f"; name one of {', '.join(file.name for file in found)}" if found else ""
        raise UserError(f"--{role}: expected {_ACCEPTED}; received {folder} with {len(found)} such files{several}")
    return CodeSet(_array(found[0]), _array(_labels_beside(found[0], role)))


def _from_npz(path: Path, role: str) -> CodeSet:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except Exception as error:  # a damaged archive can fail anywhere inside NumPy and zipfile
        raise UserError(f"{path}: expected an .npz of plain arrays, received: {error}") from error
    if "num_queries" in arrays:
        codes = Codes.load(path)
        part = slice(None, codes.num_queries) if role == "query" else slice(codes.num_queries, None)
        return CodeSet(codes.codes[part], codes.labels[part], codes.bits)
    if not arrays.keys() >= {"codes", "labels"}:
        raise UserError(f"{path}: expected the arrays codes and labels, received {', '.join(sorted(arrays)) or 'none'}")
    return CodeSet(arrays["codes"], arrays["labels"], int(arrays["bits"]) if "bits" in arrays else None)


def _array(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # as above
        raise UserError(f"{path}: expected a .npy of numbers, received: {error}") from error


def _labels_beside(path: Path, role: str) -> Path:
    for codes_name, labels_name in _LABEL_NAMES.items():
        if path.name.endswith(codes_name):
            beside = path.with_name(path.name.removesuffix(codes_name) + labels_name)
            if beside.exists():
                return beside
            raise UserError(f"--{role}: expected the labels of {path} in {beside.name} beside it, or --{role}-labels")
    raise UserError(
        f"--{role}: expected --{role}-labels with {path}, which is not called ...codes.npy or ...binary.npy"
    )
