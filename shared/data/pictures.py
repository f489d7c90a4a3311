"""Picture files -> the uint8 RGB pixels a network takes: any size, any mode, and a clear error where that cannot be."""

import functools
import hashlib
import io
import logging
import os
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from shared.system.errors import UserError, printable

# all are decoded inside Pillow; EPS and the like would start other programs
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
# modes of more than 8 bits a sample, which Pillow would clip
_WIDE = ("I", "I;16", "I;16B", "I;16L", "I;16N")

_STDERR, _MOST_CAPTURED = 2, 10_000
_BYTES_AT_ONCE, _NOT_READ = 2**20, bytes(32)
# stderr is the process's
_STDERR_LOCK = threading.Lock()
# what Pillow logs of a damaged file is in the one line that is shown
logging.getLogger("PIL").addHandler(logging.NullHandler())


@functools.cache
def suffixes() -> tuple[str, ...]:
    """How picture files are called, where only some of a folder's files are pictures: ".bmp", ".gif", ..."""
    return tuple(sorted(suffix for suffix, form in Image.registered_extensions().items() if form in FORMATS))


def read_picture(source: Path | BinaryIO, name: str, size: tuple[int, int] | None = None) -> np.ndarray:
    """The picture as uint8 RGB (height, width, 3), upright, brought to ``size`` (height, width) if one is given.

    The whole picture is resized by Pillow's bilinear filter, which averages when it shrinks; a picture of that size
    stays as it is. Turned as its EXIF data says; transparent parts become white; of 16 bits a sample the upper 8
    count; of several frames the first. Raises UserError, beginning with ``name``, for anything but a whole picture in
    one of FORMATS with no more than Pillow's limit of pixels.
    """
    if isinstance(source, Path) and not source.is_file():
        received = "something else" if source.exists() else "no such file"
        raise UserError(f"{name}: expected an image file ({', '.join(FORMATS)}), received {received}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # what Pillow only warns of is refused here, before any pixel is decoded
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(source, formats=FORMATS) as image, _checked() if image.format == "TIFF" else nullcontext():
                picture = _rgb(ImageOps.exif_transpose(image))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        limit = f"at most {Image.MAX_IMAGE_PIXELS:,} pixels"
        raise UserError(f"{name}: expected {limit}, received more ({error}); make it smaller") from error
    except Exception as error:  # damaged files fail anywhere inside the decoders, as many kinds of exception
        is_other = isinstance(error, UnidentifiedImageError)
        reason = "something else" if is_other else str(error) or type(error).__name__
        raise UserError(f"{name}: expected an image file ({', '.join(FORMATS)}), received {reason}") from error
    if size and picture.size != size[::-1]:
        picture = picture.resize(size[::-1], Image.Resampling.BILINEAR)
    return np.array(picture)


class Picture(NamedTuple):
    """A file, or the content of one, and what it is called."""

    source: Path | bytes
    name: str

    def read(self) -> np.ndarray:
        """Its pixels, uint8 RGB (height, width, 3); raises like ``read_picture``."""
        return read_picture(io.BytesIO(self.source) if isinstance(self.source, bytes) else self.source, self.name)

    def digest(self) -> bytes:
        """SHA-256 of its content, 32 bytes; of what cannot be read, other 32 bytes."""
        if isinstance(self.source, bytes):
            return hashlib.sha256(self.source).digest()
        digest = hashlib.sha256()
        try:
            if not self.source.is_file():  # a pipe would wait
                return _NOT_READ
            with self.source.open("rb") as file:
                while chunk := file.read(_BYTES_AT_ONCE):
                    digest.update(chunk)
        except OSError:
            return _NOT_READ
        return digest.digest()


def read_pictures(files: list[Path], size: tuple[int, int]) -> tuple[np.ndarray, list[str], list[str]]:
    """``read_picture`` of many: pixels uint8 (N, height, width, 3), the files they are of, and one line per failure.

    The files' names are printable.
    """
    pixels, names, failures = [], [], []
    for file in files:
        try:
            pixels.append(read_picture(file, str(file), size))
            names.append(printable(file))
        except UserError as error:
            failures.append(str(error))
    return np.array(pixels, np.uint8).reshape(-1, *size, 3), names, failures


@contextmanager
def _checked() -> Iterator[None]:
    """Raise ValueError if libtiff writes of an error to stderr, after which it goes on; none of it is shown there."""
    with _STDERR_LOCK, tempfile.TemporaryFile() as captured:
        try:
            saved_stderr = os.dup(_STDERR)
        except OSError:  # it is closed, and libtiff cannot write there
            yield
            return
        try:
            os.dup2(captured.fileno(), _STDERR)
            yield
        finally:
            os.dup2(saved_stderr, _STDERR)
            os.close(saved_stderr)
        captured.seek(0)
        lines = captured.read(_MOST_CAPTURED).decode(errors="backslashreplace").splitlines()
    if errors := [line for line in lines if "Warning," not in line]:
        raise ValueError(f"damaged data: {errors[0]}")


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in _WIDE:
        return _upper_bits(image).convert("RGB")
    if image.mode == "F":
        raise ValueError("floating-point samples, whose range is not known; save it with 8 bits a sample")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _upper_bits(image: Image.Image) -> Image.Image:
    samples = np.array(image).astype(np.int64)
    if samples.min() < 0 or samples.max() >= 2**16:
        raise ValueError(f"samples from {samples.min()} to {samples.max()}, where 16 bits were expected")
    return Image.fromarray((samples >> 8).astype(np.uint8))
