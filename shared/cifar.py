"""The data set and its retrieval splits: which images are queries, training images and database."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shared.errors import UserError
from shared.files import sha256_of
from shared.protocols import PROTOCOLS
from shared.recipe import NUM_CLASSES
from shared.sources import Images, read_digits, read_images

DIGITS = "digits"
_SIDE, _DIGITS_SIDE = 32, 8
_CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True)
class Dataset:
    """Images and labels: ``pixels`` uint8 (N, H, W, 3), ``labels`` int64 (N,), train files first, then test files.

    ``name`` is "cifar10" for 5,000 + 1,000 images of 32x32 in each of ten classes, "digits" for the bundled
    digits and "custom" for anything else in a supported layout.
    """

    name: str
    pixels: np.ndarray
    labels: np.ndarray

    def digest(self) -> str:
        """SHA-256 of labels and pixels."""
        return sha256_of(self.labels.astype("<i8").tobytes(), np.ascontiguousarray(self.pixels).data)


def class_name(dataset: str, label: int) -> str:
    """What people call a class of the data set of this name: "cat", "digit 3", or "class 3" for want of a name."""
    if dataset == "cifar10":
        return _CIFAR10_CLASSES[label]
    return f"{'digit' if dataset == DIGITS else 'class'} {label}"


def image_name(dataset: str, number: int) -> str:
    """What an image of the data set of this name is called, wherever it is named: "cifar10[31337]"."""
    return f"{dataset}[{number}]"


def image_size(dataset: str) -> tuple[int, int] | None:
    """Height and width of the images of the data set of this name; None for one that is known by its path alone."""
    return {"cifar10": (_SIDE, _SIDE), DIGITS: (_DIGITS_SIDE, _DIGITS_SIDE)}.get(dataset)


@dataclass(frozen=True)
class Split:
    """Image indices, int64: ``query`` and ``train`` and ``database``, class by class."""

    query: np.ndarray
    train: np.ndarray
    database: np.ndarray

    def digest(self) -> str:
        """SHA-256 of the three index arrays."""
        parts = (self.query, self.train, self.database)
        return sha256_of(*(f"{len(part)}:".encode() + part.astype("<i8").tobytes() for part in parts))


def load(data: str) -> Dataset:
    """The data set named by ``data``: "digits", or a path in a supported layout.

    Raises UserError for missing, damaged or mislabelled data.
    """
    images = read_digits() if data == DIGITS else read_images(Path(data))
    labels = images.labels
    if len(labels) == 0 or labels.min() < 0 or labels.max() >= NUM_CLASSES:
        received = f"{labels.min()} to {labels.max()}" if len(labels) else "none"
        raise UserError(f"{data}: expected labels 0 to {NUM_CLASSES - 1}, received {received}")
    return Dataset(DIGITS if data == DIGITS else _name_of(images), images.pixels, labels)


def split(labels: np.ndarray, protocol: str = "cifar10-1", seed: int = 2000) -> Split:
    """Split the images with ``labels`` (int64 (N,), train files followed by test files) for retrieval.

    For label 0..9 in turn, its indices in ascending order are permuted with one legacy generator seeded once;
    the first go to the queries, the next to training, the rest to the database (swuxyj/DeepHash-pytorch and
    hatimwen/paddle_greedyhash with seed 2000). Raises UserError for an unknown protocol or too few images.
    """
    if protocol not in PROTOCOLS:
        raise UserError(f"protocol: expected one of {', '.join(PROTOCOLS)}, received {protocol!r}")
    rule = PROTOCOLS[protocol]
    generator = np.random.RandomState(seed)
    query, train, rest = [], [], []
    for label in range(NUM_CLASSES):
        index = np.flatnonzero(labels == label)
        if len(index) < rule.query + rule.train:
            needed = rule.query + rule.train
            raise UserError(f"{protocol}: expected at least {needed} images of class {label}, received {len(index)}")
        index = index[generator.permutation(len(index))]
        query.append(index[: rule.query])
        train.append(index[rule.query : rule.query + rule.train])
        rest.append(index[rule.query + rule.train :])
    database = {"train+rest": train + rest, "rest": rest, "train": train}[rule.database]
    return Split(*(np.concatenate(parts).astype(np.int64) for parts in (query, train, database)))


def validate_split(parts: Split, labels: np.ndarray, protocol: str) -> None:
    """Raise UserError unless queries are disjoint from training and database and every class has its share."""
    rule = PROTOCOLS[protocol]
    for name, other in (("train", parts.train), ("database", parts.database)):
        shared = np.intersect1d(parts.query, other)
        if len(shared):
            raise UserError(f"split: expected disjoint query and {name}, received {len(shared)} images in both")
    per_class = np.bincount(labels, minlength=NUM_CLASSES)
    rest = per_class - rule.query - rule.train
    expected = {
        "query": np.full(NUM_CLASSES, rule.query),
        "train": np.full(NUM_CLASSES, rule.train),
        "database": {"train+rest": rest + rule.train, "rest": rest, "train": 0 * rest + rule.train}[rule.database],
    }
    for name, counts in expected.items():
        index = getattr(parts, name)
        received = np.bincount(labels[np.unique(index)], minlength=NUM_CLASSES)
        if len(np.unique(index)) != len(index) or not np.array_equal(received, counts):
            raise UserError(f"split: expected {name} counts {counts.tolist()}, received {received.tolist()}")


def _name_of(images: Images) -> str:
    train = np.bincount(images.labels[: images.num_train], minlength=NUM_CLASSES)
    test = np.bincount(images.labels[images.num_train :], minlength=NUM_CLASSES)
    complete = (train == 5000).all() and (test == 1000).all() and images.pixels.shape[1:] == (32, 32, 3)
    return "cifar10" if complete else "custom"
