"""The one size that all pictures of a set are brought to."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from shared.system.errors import UserError


class OtherSizeError(Exception):
    """A picture has another size than those before it: all of them are to become squares."""


class CommonSize:
    """That of the first picture, which shrinks to the square of side ``store_px`` if it is larger than that.

    ``size``, height and width, stands for that of a first picture that was seen before. Where another size comes than
    the first, and that is not the square, ``brought`` raises OtherSizeError; and UserError where ``store_px`` is None
    and nothing is resized.
    """

    def __init__(self, store_px: int | None, size: Sequence[int] | None = None) -> None:
        self._store_px, self._first = store_px, "the first"
        self._shape = (*size, 3) if size else None

    def brought(self, image: np.ndarray, name: str) -> np.ndarray:
        """The picture, uint8 (height, width, 3), in the common size."""
        if self._shape is None:
            image = fit(image[None], self._store_px)[0]
            self._shape, self._first = image.shape, name
        if image.shape == self._shape:
            return image
        if self._store_px is None:
            sizes = [f"{width}x{height}" for height, width, _ in (self._shape, image.shape)]
            raise UserError(f"{name}: expected {sizes[0]} pixels, as {self._first} has, received {sizes[1]}")
        if self._shape != (self._store_px, self._store_px, 3):
            raise OtherSizeError
        return _resized(image, self._store_px)


def fit(pixels: np.ndarray, store_px: int | None) -> np.ndarray:
    """Images uint8 (N, H, W, 3) that are larger than the square of this side resized to it, others as they are."""
    if store_px is None or max(pixels.shape[1:3]) <= store_px:
        return pixels
    return np.stack([_resized(image, store_px) for image in pixels])


def _resized(image: np.ndarray, side: int) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR))
