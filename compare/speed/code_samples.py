"""Synthetic codes to measure with: of ten noisy classes, nearly all different, or repeated as by a trained network."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from shared.codes.codes import Codes
from shared.codes.packing import pack_codes

QUERIES = 1000
_CLASSES = 10
_FLIPPED = 0.15  # of the bits of a class's code, item by item
_CODES = 200  # of a trained class: few are frequent, many are rare
_APART = 0.06  # of the bits, between these codes and the class's first
_SKEW = 1.5  # the code of rank r is as frequent as r ** -_SKEW, which fits the codes of the demo at 48 bits
_MISTAKEN = 0.15  # of the items, which have another class's code
_AT_ONCE = 1_000_000

Data = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def synthetic(items: int, bits: int) -> Data:
    """Query codes, query labels, database codes and labels: ten classes, class after class as in CIFAR-10 (I)."""
    generator = np.random.RandomState(0)
    centres = generator.rand(_CLASSES, bits) > 0.5
    labels = [_by_class(count) for count in (QUERIES, items)]
    codes = [centres[label] ^ (generator.rand(len(label), bits) < _FLIPPED) for label in labels]
    return codes[0], labels[0], codes[1], labels[1]


def codes_of(items: int, bits: int) -> Codes:
    """``synthetic`` as the codes that a run writes, with random margins."""
    queries, query_labels, database, labels = synthetic(items, bits)
    codes, classes = np.concatenate([queries, database]), np.concatenate([query_labels, labels])
    bit_margin = np.random.RandomState(0).rand(*codes.shape).astype(np.float32)
    return Codes(np.arange(len(codes)), classes, pack_codes(codes), bit_margin, classes, len(queries))


def trained_like(items: int, bits: int) -> Data:
    """As ``synthetic``, of the hundreds or thousands of codes that a trained network uses."""
    generator, known = np.random.RandomState(0), _codes_of_classes(bits)
    labels = [_by_class(count) for count in (QUERIES, items)]
    codes = [_draw(known, label, generator) for label in labels]
    return codes[0], labels[0], codes[1], labels[1]


def write_random(codes: Path, labels: Path, items: int) -> None:
    """Files of packed codes of 64 random bits, uint64 (items, 1), and labels uint8 (items,) in no order."""
    generator = np.random.RandomState(1)
    for words, classes in _parts(codes, labels, items):
        words[:] = generator.randint(0, 2**64, words.shape, np.uint64)
        classes[:] = generator.randint(0, _CLASSES, len(classes))


def write_trained_like(codes: Path, labels: Path, items: int) -> None:
    """As ``write_random``, with the codes of ``trained_like``."""
    generator = np.random.RandomState(1)
    known = np.packbits(_codes_of_classes(64), axis=2, bitorder="little").view("<u8")
    for words, classes in _parts(codes, labels, items):
        classes[:] = generator.randint(0, _CLASSES, len(classes))
        words[:] = _draw(known, classes, generator)


def _by_class(count: int) -> np.ndarray:
    return np.arange(count) * _CLASSES // count


def _codes_of_classes(bits: int) -> np.ndarray:
    """Bool (classes, codes of each, bits), the most frequent code of each class first."""
    generator = np.random.RandomState(2)
    centres = generator.rand(_CLASSES, 1, bits) > 0.5
    flipped = generator.rand(_CLASSES, _CODES, bits) < _APART
    flipped[:, 0] = False
    return centres ^ flipped


def _draw(known: np.ndarray, labels: np.ndarray, generator: np.random.RandomState) -> np.ndarray:
    frequency = np.arange(1, _CODES + 1) ** -_SKEW
    rank = generator.choice(_CODES, len(labels), p=frequency / frequency.sum())
    mistaken = generator.rand(len(labels)) < _MISTAKEN
    return known[np.where(mistaken, generator.randint(0, _CLASSES, len(labels)), labels), rank]


def _parts(codes: Path, labels: Path, items: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    words = np.lib.format.open_memmap(codes, "w+", np.uint64, (items, 1))
    classes = np.lib.format.open_memmap(labels, "w+", np.uint8, (items,))
    for start in range(0, items, _AT_ONCE):
        yield words[start : start + _AT_ONCE], classes[start : start + _AT_ONCE]
