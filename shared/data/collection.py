"""Many pictures into one array: of one size as they are, of several as a square has them; in memory or in a file."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from shared.config.recipe import Recipe
from shared.data.packed import packed_pictures
from shared.data.pictures import Picture
from shared.data.sizes import CommonSize, OtherSizeError
from shared.system.errors import UserError, printable
from shared.system.progress import Progress

# with the framework and a second copy for its device, a process stays under 2 GiB
MOST_IN_MEMORY = 512 * 2**20
_MOST_NAMED = 5


class Reading(NamedTuple):
    """How pictures are read: ``store_px`` is the side of the square that they fit into (None: none is resized).

    ``skip_unreadable`` leaves out what cannot be read, with a note, instead of raising UserError. ``always_packed``:
    also where memory could hold them, their pixels are in a file of the cache.
    """

    store_px: int | None = None
    skip_unreadable: bool = False
    always_packed: bool = False
    progress: Progress = Progress()

    @classmethod
    def of(cls, recipe: Recipe, progress: Progress, skip_unreadable: bool = False) -> "Reading":
        """How the pictures of a run of ``recipe`` are read."""
        return cls(recipe.stored_px, skip_unreadable, recipe.store_px > 0, progress)


class Collected(NamedTuple):
    """``pixels`` uint8 (N, H, W, 3) of the pictures at ``kept`` int64 (N,); ``notes`` on the others, a line each."""

    pixels: np.ndarray
    kept: np.ndarray
    notes: tuple[str, ...]


class _BeyondMemoryError(Exception):
    """The pixels take more than ``MOST_IN_MEMORY``."""


def read_all(pictures: Sequence[Picture], where: str, reading: Reading) -> Collected:
    """Read ``pictures``, which come from ``where``; those of one size within the square stay as they are.

    All others are resized to that square, by Pillow's bilinear filter. Pixels beyond ``MOST_IN_MEMORY`` are packed:
    a read-only array that is mapped from a file of the cache, of the same values. Raises UserError for pictures that
    cannot be read, with their number and names, unless they are skipped, for none that can, and for several sizes
    where nothing is resized; and like ``packed_pictures``.
    """
    pixels, failures = _pixels_and_failures(pictures, reading)
    kept = np.setdiff1d(np.arange(len(pictures)), list(failures))
    if failures and not (reading.skip_unreadable and len(kept)):
        leave_out = "; --skip-unreadable leaves them out" if len(kept) else ""
        raise UserError(f"{where}: {_unreadable(failures, pictures)}{leave_out}")
    notes = (f"{where}: left out, {_unreadable(failures, pictures)}",) if failures else ()
    return Collected(pixels, kept, notes)


def _pixels_and_failures(pictures: Sequence[Picture], reading: Reading) -> tuple[np.ndarray, dict[int, str]]:
    """The pixels of what can be read, and why the others cannot, by their numbers."""
    try:
        if not reading.always_packed:
            try:
                return _in_memory(pictures, CommonSize(reading.store_px))
            except OtherSizeError:
                return _in_memory(pictures, CommonSize(reading.store_px, [reading.store_px] * 2))
    except _BeyondMemoryError:
        pass
    return packed_pictures(pictures, reading.store_px, reading.progress)


def _in_memory(pictures: Sequence[Picture], size: CommonSize) -> tuple[np.ndarray, dict[int, str]]:
    array, count, failures = np.empty((0, 1, 1, 3), np.uint8), 0, {}
    for number, picture in enumerate(pictures):
        try:
            image = picture.read()
        except UserError as error:
            failures[number] = str(error)
            continue
        image = size.brought(image, picture.name)
        if not count:
            if len(pictures) * image.nbytes > MOST_IN_MEMORY:
                raise _BeyondMemoryError
            array = np.empty((len(pictures), *image.shape), np.uint8)
        array[count] = image
        count += 1
    return array[:count], failures


def _unreadable(failures: dict[int, str], pictures: Sequence[Picture]) -> str:
    """ "2 of 20 pictures cannot be read: a.png: expected ...; b.png"."""
    numbers = list(failures)
    named = [failures[numbers[0]], *(printable(pictures[number].name) for number in numbers[1:_MOST_NAMED])]
    more = f" and {len(failures) - _MOST_NAMED} more" if len(failures) > _MOST_NAMED else ""
    return f"{len(failures)} of {len(pictures)} pictures cannot be read: {'; '.join(named)}{more}"
