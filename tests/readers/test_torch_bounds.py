"""Tensors in a file of PyTorch's may reach to the end of their storage, and not one value beyond."""

import struct
import zipfile

import numpy as np
import pytest

from shared.readers.pickle_values import PickleError
from shared.readers.torch_files import read_torch
from tests.pickles import named, pickle_of, text


@pytest.mark.parametrize(
    ("size", "offset", "shape", "strides", "values"),
    [
        (6, 0, (2, 3), (3, 1), [[0, 1, 2], [3, 4, 5]]),
        (6, 0, (3, 2), (1, 3), [[0, 3], [1, 4], [2, 5]]),
        (7, 1, (2, 3), (3, 1), [[1, 2, 3], [4, 5, 6]]),
        (6, 1, (2, 3), (3, 1), None),  # its last value would be the first behind the storage
        (6, 0, (2, 3), (4, 1), None),
        (5, 0, (2, 3), (3, 1), None),
        (6, 5, (1, 1), (999, 999), [[5]]),
        (6, 6, (1,), (1,), None),
    ],
)
def test_a_tensor_may_reach_to_the_end_of_its_storage(size, offset, shape, strides, values, tmp_path):
    whole = b"J%b" % struct.pack("<i", size)
    sides = (b"(" + b"".join(b"J" + struct.pack("<i", n) for n in row) + b"t" for row in (shape, strides))
    storage = b"(" + text("storage") + named("torch", "FloatStorage") + text("0") + text("cpu") + whole + b"tQ"
    steps = (named("torch._utils", "_rebuild_tensor_v2"), b"(", storage, b"J", struct.pack("<i", offset), *sides)
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as file:
        file.writestr("x/data.pkl", pickle_of(*steps, b"\x89}tR"))
        file.writestr("x/data/0", np.arange(size, dtype="<f4").tobytes())
    tensor = read_torch(tmp_path / "x.pt")
    if values:
        assert tensor.array().tolist() == values
    else:
        with pytest.raises(PickleError, match=f"values in a storage of {size}"):
            tensor.array()
