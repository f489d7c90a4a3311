"""The data set and its retrieval splits: which images are queries, training images and database."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from shared.config.protocols import DATASETS, LISTED, MAX_CLASSES, PROTOCOLS, Protocol
from shared.config.recipe import Recipe
from shared.data.collection import Reading
from shared.data.identity import CIFAR10, CUSTOM, identify
from shared.data.images import Images, Split
from shared.data.sizes import fit
from shared.data.sources import read_digits, read_images
from shared.readers.mapped import blocks
from shared.system.errors import UserError, printable

DIGITS = "digits"
_DIGITS_SIDE = 8
_MOST_NAMED = 12
AS_THEY_ARE = Reading()
_DRAWN = tuple(name for name in PROTOCOLS if name != LISTED)


@dataclass(frozen=True)
class Dataset:
    """Images and labels: ``pixels`` uint8 (N, H, W, 3), ``labels`` int64 (N,), train files first, then test files.

    ``name`` is "cifar10" for CIFAR-10 (see ``identity``), "digits" for the bundled digits and "custom" for anything
    else in a supported layout. ``class_names`` are those of a custom set, label by label; () if unknown. ``notes``
    are lines that its user should see once; ``listed`` is the split that its files have, None where they have none;
    ``is_list``: they are list files, whose split is taken as it is.
    """

    name: str
    pixels: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    listed: Split | None = None
    is_list: bool = False

    @property
    def num_classes(self) -> int:
        """How many classes there are; every label is below it."""
        return DATASETS.get(self.name) or len(self.class_names) or int(self.labels.max(initial=-1)) + 1

    def digest(self) -> str:
        """SHA-256 of labels and pixels."""
        digest = hashlib.sha256(self.labels.astype("<i8").tobytes())
        for block in blocks(self.pixels):
            digest.update(np.ascontiguousarray(block).data)
        return digest.hexdigest()

    def class_of(self, label: int) -> str:
        """What a class is called."""
        return class_name(self.name, label, self.class_names)


def class_name(dataset: str, label: int, class_names: Sequence[str] = ()) -> str:
    """What people call a class of the data set of this name: "cat", "digit 3", or "class 3" for want of a name.

    ``class_names`` are a custom set's own, which can come from any file; the result is printable.
    """
    names = CIFAR10.classes if dataset == CIFAR10.name else class_names
    return printable(names[label], 100) if names else f"{'digit' if dataset == DIGITS else 'class'} {label}"


def image_name(dataset: str, number: int) -> str:
    """What an image of the data set of this name is called, wherever it is named: "cifar10[31337]"."""
    return f"{dataset}[{number}]"


def image_size(dataset: str) -> tuple[int, int] | None:
    """Height and width of the images of the data set of this name; None for one that is known by its path alone."""
    return {CIFAR10.name: CIFAR10.size, DIGITS: (_DIGITS_SIDE, _DIGITS_SIDE)}.get(dataset)


def load(data: str, label: str = "", reading: Reading = AS_THEY_ARE) -> Dataset:
    """The data set named by ``data``: "digits", or a path in a supported layout, which its user calls ``label``.

    Raises UserError for missing, damaged or mislabelled data.
    """
    images = _read(data, reading)
    if data == DIGITS:
        return _dataset(DIGITS, images)
    identity = identify(images, label)
    return _dataset(identity.name, images, (identity.note,) if identity.note else ())


def load_known(data: str, name: str, class_names: Sequence[str] = (), reading: Reading = AS_THEY_ARE) -> Dataset:
    """As ``load`` of a data set that was identified before, as ``name`` with these ``class_names``."""
    dataset = _dataset(name, _read(data, reading))
    return replace(dataset, class_names=tuple(class_names) or dataset.class_names)


def _read(data: str, reading: Reading) -> Images:
    images = read_digits() if data == DIGITS else read_images(Path(data), reading)
    _check_labels(images, data)
    if 0 in images.pixels.shape:
        raise UserError(f"{data}: expected images, received some of no pixels, {images.pixels.shape}")
    return images._replace(pixels=fit(images.pixels, reading.store_px))


def _check_labels(images: Images, data: str) -> None:
    """UserError unless there are two classes or more, numbered from 0, with images of each."""
    labels = images.labels
    if len(labels) == 0:
        raise UserError(f"{data}: expected images, received none")
    if labels.min() < 0 or labels.max() >= MAX_CLASSES:
        received = f"{labels.min()} to {labels.max()}"
        raise UserError(f"{data}: expected class numbers from 0 to at most {MAX_CLASSES - 1}, received {received}")
    counts = np.bincount(labels, minlength=len(images.class_names))
    if images.class_names and len(counts) > len(images.class_names):
        received = f"{len(images.class_names)} class names, and labels up to {labels.max()}"
        raise UserError(f"{data}: expected a class name for every label, received {received}")
    if len(counts) < 2:
        raise UserError(f"{data}: expected images of two classes or more, received one class")
    if empty := [class_name(CUSTOM, label, images.class_names) for label in np.flatnonzero(counts == 0)[:_MOST_NAMED]]:
        others = "" if (counts == 0).sum() <= _MOST_NAMED else " and others"
        mend = "leave out classes without images" if images.class_names else "number the classes from 0 without gaps"
        raise UserError(f"{data}: expected images of every class, received none of {', '.join(empty)}{others}; {mend}")


def _dataset(name: str, images: Images, notes: tuple[str, ...] = ()) -> Dataset:
    class_names = images.class_names if name == CUSTOM else ()
    notes = (*images.notes, *notes)
    return Dataset(name, images.pixels, images.labels, class_names, notes, images.listed, images.is_list)


def split_for(dataset: Dataset, recipe: Recipe, where: str = "labels") -> Split:
    """The split of a run of ``recipe``: drawn, or as the files of ``dataset``, which are ``where``, list it.

    Raises UserError like ``split``, and where the files list none.
    """
    if recipe.protocol != LISTED:
        return split(dataset.labels, recipe.rule, recipe.seed_of("split"), f"{where}: {recipe.protocol}")
    if dataset.listed is None:
        raise UserError(
            f"{where}: the protocol {LISTED} expects files with a split of their own (train.txt and test.txt, or train "
            "and test parts), received images without; leave out --protocol"
        )
    return dataset.listed


def split(labels: np.ndarray, protocol: str | Protocol = "cifar10-1", seed: int = 2000, where: str = "labels") -> Split:
    """Split the images with ``labels`` (int64 (N,), train files followed by test files) for retrieval.

    For label 0, 1, ... in turn, its indices in ascending order are permuted with one legacy generator seeded once;
    the first go to the queries, the next to training, the rest to the database (swuxyj/DeepHash-pytorch and
    hatimwen/paddle_greedyhash with seed 2000). Raises UserError for an unknown protocol, and for too few images, which
    are ``where``.
    """
    rule = _rule(protocol)
    where = where if rule is protocol else f"{where}: {protocol}"
    counts, chosen, is_rest = np.bincount(labels), rule.query + rule.train, rule.database == "rest"
    if counts.min() < (needed := chosen + is_rest):
        received = f"{_listed(counts)} of classes 0 to {len(counts) - 1}"
        fewer = _fewer(int(counts.min()), is_rest)
        raise UserError(f"{where} expects at least {needed} images of every class, received {received}{fewer}")
    generator = np.random.RandomState(seed)
    query, train, rest = [], [], []
    for label in range(len(counts)):
        index = np.flatnonzero(labels == label)
        index = index[generator.permutation(len(index))]
        query.append(index[: rule.query])
        train.append(index[rule.query : chosen])
        rest.append(index[chosen:])
    database = {"train+rest": train + rest, "rest": rest, "train": train}[rule.database]
    return Split(*(np.concatenate(parts).astype(np.int64) for parts in (query, train, database)))


def _rule(protocol: str | Protocol) -> Protocol:
    if isinstance(protocol, Protocol):
        return protocol
    if protocol not in _DRAWN:
        raise UserError(f"protocol: expected one of {', '.join(_DRAWN)}, received {protocol!r}")
    return PROTOCOLS[protocol]


def _fewer(images: int, is_rest: bool) -> str:
    """How to split classes of which the smallest has so many images, where the database is the rest or not."""
    if images < 2 + is_rest:
        return f"; every class needs an image to query and one to train on{', and one to search' if is_rest else ''}"
    query = max(1, images // 6)
    return f"; with so many, say --queries-per-class {query} --train-per-class {max(1, (images - query) // 2)}"


def validate_split(parts: Split, labels: np.ndarray, protocol: str | Protocol) -> None:
    """Raise UserError unless queries are disjoint from training and database and every class has its share."""
    rule = _rule(protocol)
    for name, other in (("train", parts.train), ("database", parts.database)):
        shared = np.intersect1d(parts.query, other)
        if len(shared):
            raise UserError(f"split: expected disjoint query and {name}, received {len(shared)} images in both")
    per_class = np.bincount(labels)
    rest = per_class - rule.query - rule.train
    expected = {
        "query": np.full_like(per_class, rule.query),
        "train": np.full_like(per_class, rule.train),
        "database": {"train+rest": rest + rule.train, "rest": rest, "train": 0 * rest + rule.train}[rule.database],
    }
    for name, counts in expected.items():
        index = getattr(parts, name)
        received = np.bincount(labels[np.unique(index)], minlength=len(per_class))
        if len(np.unique(index)) != len(index) or not np.array_equal(received, counts):
            raise UserError(f"split: expected {name} counts {counts.tolist()}, received {received.tolist()}")


def _listed(counts: np.ndarray) -> str:
    more = ", ..." if len(counts) > _MOST_NAMED else ""
    return ", ".join(map(str, counts[:_MOST_NAMED])) + more
