"""Images that a split has on both sides: the same content among the queries and in the database or training set."""

import hashlib

import numpy as np

from shared.data.cifar import Dataset, Split
from shared.readers.mapped import blocks

_BYTES = 16


def contents(pixels: np.ndarray) -> np.ndarray:
    """Numbers int64 (N,) that are equal where the images uint8 (N, H, W, 3) are, pixel by pixel."""
    images = (image for block in blocks(pixels) for image in block)
    digests = [hashlib.blake2b(np.ascontiguousarray(image), digest_size=_BYTES).digest() for image in images]
    return np.unique(np.frombuffer(b"".join(digests), f"V{_BYTES}"), return_inverse=True)[1].reshape(-1)


def leaked(split: Split, content: np.ndarray) -> np.ndarray:
    """The queries, int64, whose content (see ``contents``) is also that of an image of database or training set."""
    others = np.concatenate([split.train, split.database])
    return split.query[np.isin(content[split.query], content[others])]


def leak_text(dataset: Dataset, split: Split, content: np.ndarray) -> str:
    """What a user should know of the leak of a split; "" without one."""
    queries = leaked(split, content)
    if not len(queries):
        return ""
    named = ", ".join(map(str, queries[:5])) + (", ..." if len(queries) > 5 else "")
    return (
        f"the split leaks: {len(queries)} of {len(split.query)} queries are, pixel by pixel, images of the database or "
        f"the training set of {dataset.name} (images {named})"
    )
