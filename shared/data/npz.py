"""Images and labels in a .npz: Keras's four arrays, or two that hold all of them."""

from pathlib import Path

import numpy as np

from shared.data.images import Images, as_labels, one_class_each
from shared.readers.arrays import Header, npz_headers, npz_names, read_npz
from shared.system.errors import UserError

_PARTED, _WHOLE = ("x_train", "y_train", "x_test", "y_test"), ("images", "labels")


def read_image_arrays(path: Path) -> Images:
    """The images in ``path``: x_train, y_train, x_test and y_test, or else images and labels.

    Images are uint8 (N, height, width, 3); labels are class ids (N,) or (N, 1), those of ``labels`` also rows of 0 and
    1, (N, classes). Raises UserError for anything else, and an image of several classes.
    """
    if set(_WHOLE) <= set(npz_names(path)):
        return _read_whole(path)
    return _read_parts(path)


def _read_whole(path: Path) -> Images:
    headers = npz_headers(path, _WHOLE)
    _check_pixels(headers["images"], headers["images"], f"{path}: expected images")
    count, labels = headers["images"].shape[0], headers["labels"]
    if labels.shape[:1] != (count,) or len(labels.shape) > 2:
        raise UserError(f"{path}: expected labels as {count} class ids or rows of 0 and 1, received {labels}")
    arrays = read_npz(path, _WHOLE)
    return Images(arrays["images"], one_class_each(arrays["labels"], f"{path}: labels"), count)


def _read_parts(path: Path) -> Images:
    headers = npz_headers(path, _PARTED)
    for part in ("train", "test"):
        _check_pixels(headers[f"x_{part}"], headers["x_train"], f"{path}: expected x_{part}")
        count, labels = headers[f"x_{part}"].shape[0], headers[f"y_{part}"]
        if labels.dtype.kind not in "iu" or labels.shape not in ((count,), (count, 1)):
            raise UserError(f"{path}: expected y_{part} as {count} integer labels, received {labels}")
    arrays = read_npz(path, _PARTED)
    labels = [as_labels(arrays[f"y_{part}"], len(arrays[f"x_{part}"]), str(path)) for part in ("train", "test")]
    pixels = np.concatenate([arrays["x_train"], arrays["x_test"]])
    return Images(pixels, np.concatenate(labels), len(arrays["x_train"])).with_parts()


def _check_pixels(header: Header, first: Header, expected: str) -> None:
    if header.dtype != np.uint8 or len(header.shape) != 4 or header.shape[3] != 3:
        raise UserError(f"{expected} as uint8 (N, height, width, 3), received {header}{_mend(header.shape)}")
    if header.shape[1:] != first.shape[1:]:
        raise UserError(f"{expected} in the size of x_train, {first}, received {header}")


def _mend(shape: tuple[int, ...]) -> str:
    """How to make images of this shape what is expected, where that is plain; "" elsewhere."""
    if len(shape) == 3:
        return "; of grey images make three channels: np.repeat(x[..., None], 3, axis=3)"
    if len(shape) == 4 and shape[1] == 3 != shape[3]:
        return "; put the channels last: x.transpose(0, 2, 3, 1)"
    return ""
