"""Pictures packed once into a file of the cache, from which an array is mapped that memory need not hold.

``packed/KEY/pixels.u8`` in the cache has one picture after the other, all of one size; ``packed/KEY/packed.json`` says
how far it goes, and is written whenever a block of pictures is on the disk. KEY is made of the content of the
pictures, in their order, and of the square that they fit into: the files may lie anywhere and be called anything.
"""

import dataclasses
import hashlib
import os
import shutil
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from shared.data.pictures import Picture
from shared.data.sizes import CommonSize, OtherSizeError
from shared.system.errors import UserError, printable, remedy
from shared.system.files import cache_folder, folder_lock, read_json, remove, write_json
from shared.system.progress import Progress
from shared.system.schema import TEXT, Maybe, Record, Row, whole

_FORM = "1"
_SECONDS_TO_WAIT = 7 * 24 * 3600.0
_BYTES_A_BLOCK = 32 * 2**20
_MOST_SIDE, _MOST_REASON = 2**16, 500
_SCHEMA = Record(
    {
        "size": Maybe(Row((whole(1, _MOST_SIDE), whole(1, _MOST_SIDE)))),
        "done": whole(),
        "unreadable": [Row((whole(), TEXT))],
        "blocks": [Row((whole(), whole()))],
    }
)


@dataclass
class _State:
    """Of a set's pictures, the first ``done`` are packed: rows and checksum (CRC-32) of each of the ``blocks``.

    ``size`` is height and width, None before the first; ``unreadable`` has numbers and reasons.
    """

    size: list[int] | None = None
    done: int = 0
    unreadable: list[list] = field(default_factory=list)
    blocks: list[list[int]] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return sum(rows for rows, _ in self.blocks)

    @property
    def row_bytes(self) -> int:
        return 3 * self.size[0] * self.size[1] if self.size else 0


def packed_pictures(
    pictures: Sequence[Picture], store_px: int | None, progress: Progress
) -> tuple[np.ndarray, dict[int, str]]:
    """The pixels of what can be read, uint8 (N, H, W, 3), mapped read-only, and why the others cannot, by number.

    Pictures of one size within the square of side ``store_px`` stay as they are, all others become that square. What
    an earlier process packed of the same pictures is taken as far as it goes; another that packs them now is waited
    for. Raises UserError for several sizes without a square, and when the cache cannot be written.
    """
    folder = cache_folder() / "packed" / _key(pictures, store_px, progress)

    def say_so() -> None:
        progress.note(f"  another process packs these pictures: waiting for it ({folder})")

    with folder_lock(folder, _SECONDS_TO_WAIT, waiting=say_so):
        packing = _Packing(folder, pictures, progress)
        try:
            packing.go_on(CommonSize(store_px, packing.state.size))
        except OtherSizeError:
            packing.begin_anew()
            packing.go_on(CommonSize(store_px, [store_px, store_px]))
        return packing.mapped(), packing.failures()


def _key(pictures: Sequence[Picture], store_px: int | None, progress: Progress) -> str:
    digest = hashlib.sha256(f"{_FORM} {store_px}".encode())
    for number, picture in enumerate(pictures):
        digest.update(picture.digest())
        progress.update("read", number + 1, len(pictures))
    return digest.hexdigest()


class _Packing:
    """The two files of a set of pictures, whose lock this process holds."""

    def __init__(self, folder: Path, pictures: Sequence[Picture], progress: Progress) -> None:
        self._file, self._record = folder / "pixels.u8", folder / "packed.json"
        self._pictures, self._progress = pictures, progress
        self.state = self._packed_before() if self._record.exists() else _State()

    def begin_anew(self) -> None:
        """Forget what was packed; a process that has the file mapped keeps it."""
        self.state = _State()
        with self._writable():
            remove(self._record)
            remove(self._file)

    def go_on(self, size: CommonSize) -> None:
        """Pack the pictures that are left; raises OtherSizeError like ``CommonSize``."""
        if self.state.done == len(self._pictures):
            return
        with self._writable(), _opened(self._file) as file:
            file.truncate(self.state.rows * self.state.row_bytes)
            file.seek(0, os.SEEK_END)
            rows, checksum = 0, 0
            for number, image in self._images(size):
                if image is not None:
                    if not (self.state.rows or rows):
                        self.state.size = list(image.shape[:2])
                    if not rows:
                        self._check_room(number)
                    file.write(image.data)
                    rows, checksum = rows + 1, zlib.crc32(image.data, checksum)
                if rows * self.state.row_bytes >= _BYTES_A_BLOCK or number + 1 == len(self._pictures):
                    file.flush()
                    os.fsync(file.fileno())
                    self.state.blocks.append([rows, checksum])
                    self.state.done, rows, checksum = number + 1, 0, 0
                    write_json(self._record, dataclasses.asdict(self.state))
                self._progress.update("pack", number + 1, len(self._pictures))

    def mapped(self) -> np.ndarray:
        """The rows of the file; of none, which cannot be mapped, an empty array."""
        if not self.state.rows:
            return np.empty((0, 1, 1, 3), np.uint8)
        return np.memmap(self._file, np.uint8, "r", shape=(self.state.rows, *self.state.size, 3))

    def failures(self) -> dict[int, str]:
        """Why pictures could not be read, by their numbers; each begins with the picture's name."""
        return {number: f"{self._pictures[number].name}: {reason}" for number, reason in self.state.unreadable}

    def _images(self, size: CommonSize) -> Iterator[tuple[int, np.ndarray | None]]:
        for number in range(self.state.done, len(self._pictures)):
            picture = self._pictures[number]
            try:
                image = picture.read()
            except UserError as error:
                reason = str(error).removeprefix(f"{picture.name}: ")
                self.state.unreadable.append([number, printable(reason, _MOST_REASON)])
                yield number, None
            else:
                yield number, np.ascontiguousarray(size.brought(image, picture.name))

    def _packed_before(self) -> _State:
        """What the record says, if the file has it; else the start."""
        try:
            state = _State(**read_json(self._record, _SCHEMA))
            if self._agrees(state):
                return state
        except (UserError, OSError):
            pass
        self._progress.note(f"  {self._file.parent}: packed pictures are damaged; they are packed anew")
        self.begin_anew()
        return self.state

    def _agrees(self, state: _State) -> bool:
        numbers = [number for number, _ in state.unreadable]
        if state.rows + len(numbers) != state.done or not state.done <= len(self._pictures):
            return False
        if any(number >= state.done for number in numbers) or (bool(state.rows) and not state.size):
            return False
        if self._file.stat().st_size < state.rows * state.row_bytes:
            return False
        checked_rows = 0
        with self._file.open("rb") as file:
            for rows, checksum in state.blocks:
                if zlib.crc32(file.read(rows * state.row_bytes)) != checksum:
                    return False
                checked_rows += rows
                self._progress.update("check", checked_rows, state.rows)
        return True

    def _check_room(self, number: int) -> None:
        """UserError unless the pictures from ``number`` on fit on the disk."""
        needed = (len(self._pictures) - number) * self.state.row_bytes
        free = shutil.disk_usage(self._file.parent).free
        if free < needed:
            raise UserError(
                f"{self._file.parent}: expected {needed} bytes free for the packed pictures, received {free}; make "
                "room, or name another folder for the cache in GREEDYHASH_CACHE"
            )

    @contextmanager
    def _writable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(
                f"cannot write {self._file}: {error.strerror or error}; {remedy(error)} (GREEDYHASH_CACHE names the "
                "folder of the cache)"
            ) from error


def _opened(file: Path) -> BinaryIO:
    return open(os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666), "r+b")
