"""Many pictures into one array: of one size as they are, of several as the network's input square has them."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from shared.data.pictures import read_picture
from shared.readers.arrays import MOST_BYTES
from shared.system.errors import UserError, printable

_MOST_NAMED = 5


class Reading(NamedTuple):
    """How pictures are read: ``input_px`` is the side of the network's input (None: no picture is resized).

    ``skip_unreadable`` leaves out what cannot be read, with a note, instead of raising UserError.
    """

    input_px: int | None = None
    skip_unreadable: bool = False


class Picture(NamedTuple):
    """A file, or the content of one, and what it is called."""

    source: Path | bytes
    name: str


class Collected(NamedTuple):
    """``pixels`` uint8 (N, H, W, 3) of the pictures at ``kept`` int64 (N,); ``notes`` on the others, a line each."""

    pixels: np.ndarray
    kept: np.ndarray
    notes: tuple[str, ...]


def read_all(pictures: Sequence[Picture], where: str, reading: Reading) -> Collected:
    """Read ``pictures``, which come from ``where``; those of one size within the input square stay as they are.

    All others are resized to that square, by Pillow's bilinear filter. Raises UserError for pictures that cannot be
    read, with their number and names, unless they are skipped, for none that can, for several sizes where nothing is
    resized, and for more pixels than memory may hold.
    """
    pixels, kept, failures = _Pixels(where, len(pictures), reading.input_px), [], []
    for number, (source, name) in enumerate(pictures):
        try:
            image = read_picture(io.BytesIO(source) if isinstance(source, bytes) else source, name)
        except UserError as error:
            failures.append((name, str(error)))
        else:
            pixels.add(image, name)
            kept.append(number)
    if failures and not (reading.skip_unreadable and kept):
        leave_out = "; --skip-unreadable leaves them out" if kept else ""
        raise UserError(f"{where}: {_unreadable(failures, len(pictures))}{leave_out}")
    notes = (f"{where}: left out, {_unreadable(failures, len(pictures))}",) if failures else ()
    return Collected(pixels.array(), np.array(kept, np.int64), notes)


def fit(pixels: np.ndarray, input_px: int | None) -> np.ndarray:
    """Images uint8 (N, H, W, 3) that are larger than the input square resized to it, others as they are."""
    if input_px is None or max(pixels.shape[1:3]) <= input_px:
        return pixels
    return np.stack([_resized(image, input_px) for image in pixels])


class _Pixels:
    """The array that grows picture by picture; the first says the size until another comes."""

    def __init__(self, where: str, most: int, input_px: int | None) -> None:
        self._where, self._most, self._input_px = where, most, input_px
        self._array, self._count, self._first = None, 0, ""

    def add(self, image: np.ndarray, name: str) -> None:
        if self._array is None:
            self._first = name
            self._array = self._empty(fit(image[None], self._input_px).shape[1:])
        shape = self._array.shape[1:]
        if image.shape != shape:
            if self._input_px is None:
                sizes = [f"{width}x{height}" for height, width, _ in (shape, image.shape)]
                raise UserError(f"{name}: expected {sizes[0]} pixels, as {self._first} has, received {sizes[1]}")
            self._to_square()
            image = _resized(image, self._input_px)
        self._array[self._count] = image
        self._count += 1

    def array(self) -> np.ndarray:
        return self._array[: self._count]

    def _to_square(self) -> None:
        square = (self._input_px, self._input_px, 3)
        if self._array.shape[1:] == square:
            return
        resized = self._empty(square)
        for number, image in enumerate(self.array()):
            resized[number] = _resized(image, self._input_px)
        self._array = resized

    def _empty(self, shape: tuple[int, ...]) -> np.ndarray:
        total = self._most * int(np.prod(shape))
        if total > MOST_BYTES:
            raise UserError(
                f"{self._where}: expected at most {MOST_BYTES} bytes of pixels, received {self._most} pictures of "
                f"{shape[1]}x{shape[0]}, {total} bytes; make them smaller"
            )
        return np.empty((self._most, *shape), np.uint8)


def _resized(image: np.ndarray, side: int) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR))


def _unreadable(failures: Sequence[tuple[str, str]], count: int) -> str:
    """ "2 of 20 pictures cannot be read: a.png: expected ...; b.png"."""
    named = [failures[0][1], *(printable(name) for name, _ in failures[1:_MOST_NAMED])]
    more = f" and {len(failures) - _MOST_NAMED} more" if len(failures) > _MOST_NAMED else ""
    return f"{len(failures)} of {count} pictures cannot be read: {'; '.join(named)}{more}"
