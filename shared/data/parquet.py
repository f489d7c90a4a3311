"""Parquet files of images as Hugging Face's data sets have them: a column of encoded pictures, and one of labels."""

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from shared.data.collection import Reading, read_all
from shared.data.images import Images, as_labels
from shared.data.pictures import Picture
from shared.readers.arrays import MOST_BYTES
from shared.system.errors import UserError, printable

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

SUFFIX = ".parquet"
_LABEL = "label"
_PARTS = ("train", "test")


class _Columns(NamedTuple):
    """The column of pictures, whether their bytes are a field of it, and the column of labels; the classes' names."""

    picture: str
    is_record: bool
    label: str
    names: tuple[str, ...]


def read_parquet(files: list[Path], reading: Reading) -> Images:
    """The pictures in ``files``, those called train... first and those called test... last; other files are refused.

    A single file is taken whole. Raises UserError without pyarrow, for damaged files and other columns, and like
    ``read_all``.
    """
    parts = [files] if len(files) == 1 else [[file for file in files if file.name.startswith(part)] for part in _PARTS]
    if sum(map(len, parts)) != len(files) or not all(parts):
        names = printable(", ".join(file.name for file in files), 200)
        raise UserError(
            f"{files[0].parent}: expected train-*{SUFFIX} and test-*{SUFFIX} of one data set, received {names}; name "
            "one file, or a folder with both"
        )
    pictures, labels, counts, columns = [], [], [], None
    for part in parts:
        for file in part:
            rows = _rows(file)
            columns = columns or rows.columns
            if rows.columns != columns:
                raise UserError(f"{file}: expected the columns and class names of {files[0]}, received others")
            pictures += [Picture(content, f"{file}[{row}]") for row, content in enumerate(rows.contents)]
            labels.append(rows.labels)
        counts.append(len(pictures))
    where = str(files[0] if len(files) == 1 else files[0].parent)
    collected = read_all(pictures, where, reading)
    num_train = int((collected.kept < counts[0]).sum())
    chosen = np.concatenate(labels)[collected.kept]
    return Images(collected.pixels, chosen, num_train, columns.names, collected.notes).with_parts()


class _Rows(NamedTuple):
    columns: _Columns
    contents: list[bytes]
    labels: np.ndarray


def _rows(path: Path) -> _Rows:
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        install = f"{shlex.quote(sys.executable)} -m pip install pyarrow"
        raise UserError(
            f"{path}: reading Parquet needs pyarrow in every interpreter that trains, missing here: {install}"
        ) from error
    try:
        with ParquetFile(path) as file:
            return _read(file, path)
    except (UserError, MemoryError):
        raise
    except Exception as error:  # a damaged file can fail anywhere inside the library
        raise UserError(
            f"{path}: expected Parquet of a column of pictures and one of labels, received a damaged file, or another "
            f"kind of file: {printable(error, 100)}"
        ) from error


def _read(file: "ParquetFile", path: Path) -> _Rows:
    groups = (file.metadata.row_group(number) for number in range(file.metadata.num_row_groups))
    total = sum(group.total_byte_size for group in groups)
    if total > MOST_BYTES:
        raise UserError(f"{path}: expected at most {MOST_BYTES} bytes of columns, received {total}")
    columns = _columns(file, path)
    table = file.read([columns.picture, columns.label])
    cells = table[columns.picture].to_pylist()
    contents = [(cell or {}).get("bytes") if columns.is_record else cell for cell in cells]
    if missing := sum(content is None for content in contents):
        raise UserError(f"{path}: expected the bytes of every picture, received {missing} rows without")
    labels = as_labels(table[columns.label].to_pylist(), len(contents), f"{path}: {columns.label}")
    return _Rows(columns, contents, labels)


def _columns(file: "ParquetFile", path: Path) -> _Columns:
    schema = file.schema_arrow
    pictures = list(_pictures(schema))
    numbers = [field.name for field in schema if str(field.type).startswith(("int", "uint"))]
    numbers = [_LABEL] if _LABEL in numbers else numbers
    if len(pictures) != 1 or len(numbers) != 1:
        received = printable(", ".join(f"{field.name}: {field.type}" for field in schema), 200)
        raise UserError(f"{path}: expected a column of pictures and one of labels called {_LABEL}, received {received}")
    return _Columns(*pictures[0], numbers[0], _class_names(schema.metadata or {}, numbers[0]))


def _pictures(schema: object) -> Iterator[tuple[str, bool]]:
    for field in schema:
        fields = [field.type.field(place).name for place in range(field.type.num_fields)]
        if "bytes" in fields or str(field.type) in ("binary", "large_binary"):
            yield field.name, "bytes" in fields


def _class_names(metadata: dict[bytes, bytes], label: str) -> tuple[str, ...]:
    """What Hugging Face's own description calls the classes; () without."""
    try:
        names = json.loads(metadata[b"huggingface"])["info"]["features"][label]["names"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return ()
    is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return tuple(map(printable, names)) if is_list else ()
