"""Labels and pixels out of pickled batches: any protocol and any list of whole numbers, and nothing else."""

import pickle

import numpy as np
import pytest

from shared.data.images import as_labels
from shared.readers.safe_pickle import load_arrays
from shared.system.errors import UserError


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("labels", [list, tuple, np.array, lambda values: list(np.array(values))])
def test_batches_pickled_by_any_protocol(labels, protocol):
    data = np.arange(60, dtype=np.uint8).reshape(30, 2)
    batch = load_arrays(pickle.dumps({"data": data, "labels": labels(list(range(10)) * 3)}, protocol), "batch")
    pixels, numbers = (batch.get(name, batch.get(name.encode())) for name in ("data", "labels"))
    np.testing.assert_array_equal(pixels, data)
    assert as_labels(numbers, 30, "batch").tolist() == list(range(10)) * 3


def tower():
    labels = [1]
    for _ in range(60):
        labels = [labels, labels]
    return labels


@pytest.mark.parametrize(
    ("labels", "received"),
    [
        (tower(), r"a list of 2 \(list\)"),
        ([2**70] * 4, r"a list of 4 \(int\)"),
        ([1.0] * 4, r"a list of 4 \(float\)"),
        ([True] * 4, r"a list of 4 \(bool\)"),
        ([1] * 3, "a list of 3"),
        (np.zeros((4, 2), int), r"int64 \(4, 2\)"),
        (None, "none"),
        ({}, "dict"),
    ],
)
def test_labels_that_are_none(labels, received):
    with pytest.raises(UserError, match=f"^batch: expected 4 integer labels, received {received}"):
        as_labels(labels, 4, "batch")
