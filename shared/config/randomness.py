"""Random numbers that both frameworks share, each a pure function of its key, so any epoch can be repeated alone.

Legacy ``RandomState`` and raw Philox words are used because NumPy guarantees their streams across versions.
"""

from zlib import crc32

import numpy as np

# keeps the streams of different uses apart under one seed
_ORDER, _WEIGHTS, _NATIVE, _LAST_PLACE = 1, 2, 3, 4


def batch_order(seed: int, epoch: int, count: int) -> np.ndarray:
    """The order (int64 permutation of 0..count-1) in which ``epoch`` (from 1) visits the training images."""
    return np.random.RandomState([seed, _ORDER, epoch]).permutation(count).astype(np.int64)


def uniform_weights(seed: int, name: str, shape: tuple[int, ...], bound: float) -> np.ndarray:
    """A float32 array drawn from U(-bound, bound), keyed by the parameter's name."""
    generator = np.random.RandomState([seed, _WEIGHTS, crc32(name.encode())])
    return generator.uniform(-bound, bound, size=shape).astype(np.float32)


def native_seed(seed: int, epoch: int) -> int:
    """The seed a framework's own generator gets at the start of ``epoch``, so a resumed run draws the same."""
    return int(np.random.RandomState([seed, _NATIVE, epoch]).randint(2**31))


def changed_weight(seed: int, number: int, count: int) -> int:
    """Which of ``count`` weights the ``number``-th draw changes in its last place, from 0."""
    return int(np.random.RandomState([seed, _LAST_PLACE, number]).randint(count))


def dropout_mask(seed: int, step: int, layer: int, shape: tuple[int, int]) -> np.ndarray:
    """Dropout mask (uint8, 1 = keep the unit) for dropout with probability 1/2, one Philox bit a unit.

    Keyed by seed, layer and global step (from 0), as counter-based generators allow (Salmon et al., SC 2011).
    """
    words = -(-shape[0] * shape[1] // 64)
    generator = np.random.Philox(key=[seed, layer], counter=[0, 0, 0, step])
    raw = generator.random_raw(words).astype("<u8").view(np.uint8)
    return np.unpackbits(raw, bitorder="little")[: shape[0] * shape[1]].reshape(shape)
