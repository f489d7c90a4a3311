"""Which published data set images are: known by their content or by what the user calls them, never by their number.

The official images of CIFAR-10 are not at hand where this is decided, so two exact whole numbers a channel stand for
them, which do not depend on file form or order: the sum of the 50,000 * 32 * 32 = 51,200,000 values of a channel of the
training images, and the sum of their squares. They follow from the channel means and standard deviations that are
published to 13 and more digits. On the scale 0..255, for R, G, B:

    mean 125.306918046875, 122.950394140625, 113.86538318359375
    std  62.993219278136884, 62.08870764001421, 66.70489964063091

``sum = mean * 51,200,000`` and ``squares = (std**2 + mean**2) * 51,200,000`` come out whole to the precision given.
Another set with the same six numbers of 10 to 13 digits is not met by chance.

A further data set is one more entry of KNOWN, and its name in ``shared.config.protocols.DATASETS``.
"""

import re
import shlex
from typing import NamedTuple

import numpy as np

from shared.data.images import Images
from shared.system.errors import printable

CUSTOM = "custom"
_IMAGES_AT_ONCE = 1000


class Known(NamedTuple):
    """A published data set: ``counts`` of train and test images a class, and the moments of its training images.

    ``sums`` and ``squares`` are per channel. ``called`` matches a label that names it.
    """

    name: str
    title: str
    called: re.Pattern
    classes: tuple[str, ...]
    size: tuple[int, int]
    counts: tuple[int, int]
    sums: tuple[int, ...]
    squares: tuple[int, ...]

    def label(self, description: str) -> str:
        """What to call a copy that its user calls ``description``: "JPEG copy of CIFAR-10"."""
        return f"{printable(description) or 'copy'} of {self.title}"


CIFAR10 = Known(
    name="cifar10",
    title="CIFAR-10",
    called=re.compile(r"cifar[-_ ]?10(?!\.?\d)", re.IGNORECASE),  # neither CIFAR-100 nor CIFAR-10.1
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    size=(32, 32),
    counts=(5000, 1000),
    sums=(6415714204, 6295060180, 5829907619),
    squares=(1007102432534, 971356520230, 891641299129),
)
KNOWN = (CIFAR10,)


class Identity(NamedTuple):
    """The data set's ``name``, "custom" where it is not known, and a ``note`` for the user, "" for none."""

    name: str
    note: str = ""


def identify(images: Images, label: str = "") -> Identity:
    """What ``images`` are, by their content or by the ``label`` their user gave them."""
    for known in KNOWN:
        named, misfit = bool(known.called.search(label)), _misfit(images, known)
        if not misfit and (named or moments(images.pixels[: images.num_train]) == (known.sums, known.squares)):
            return Identity(known.name)
        if named and misfit:
            return Identity(CUSTOM, f"the label names {known.title}, but {misfit}: called {CUSTOM}")
        if not misfit:
            better = shlex.quote(known.label(label))
            return Identity(
                CUSTOM,
                f"as many images as {known.title} has, of its size, but not its pixels: called {CUSTOM}, without "
                f"published numbers; if they are a copy of it, say so: --label {better}",
            )
    return Identity(CUSTOM)


def moments(pixels: np.ndarray) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Per channel of uint8 (N, H, W, C) the sum of the values and the sum of their squares, both exact."""
    channels = pixels.shape[3]
    counts = np.zeros((channels, 256), np.int64)
    for start in range(0, len(pixels), _IMAGES_AT_ONCE):
        block = pixels[start : start + _IMAGES_AT_ONCE]
        counts += [np.bincount(block[..., channel].reshape(-1), minlength=256) for channel in range(channels)]
    values = np.arange(256)
    return tuple((counts @ values).tolist()), tuple((counts @ values**2).tolist())


def _misfit(images: Images, known: Known) -> str:
    """Why these cannot be the images of ``known``; "" if they can."""
    size, expected = images.pixels.shape[1:3], (*known.size, known.counts)
    split = np.split(images.labels, [images.num_train])
    counts = [np.bincount(part, minlength=len(known.classes)) for part in split]
    fits = [(part == count).all() for part, count in zip(counts, known.counts, strict=True)]
    if size != known.size or not all(fits):
        height, width, (train, test) = expected
        received = f"{len(split[0])} + {len(split[1])} of {size[1]}x{size[0]} pixels"
        return f"that has {train} + {test} images of {width}x{height} a class, and these are {received}"
    names = tuple(name.casefold() for name in images.class_names)
    if names not in ((), known.classes, tuple(map(str, range(len(known.classes))))):
        return f"its class folders are called {', '.join(known.classes)}, and these {', '.join(images.class_names)}"
    return ""
