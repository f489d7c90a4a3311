"""device_products FRAMEWORK FOLDER: ``Device.products`` of FOLDER/in.npz on the CPU, in both dtypes and two precisions.

Into FOLDER/PRECISION-DTYPE.npz.
"""

import importlib
import sys
from pathlib import Path

import numpy as np

from shared.config.arithmetic import Arithmetic

framework, folder = sys.argv[1], Path(sys.argv[2])
device = importlib.import_module(f"{framework}_impl.__main__").load().device
with np.load(folder / "in.npz") as file:
    arrays = dict(file)
for precision in ("fp32", "bf16"):
    Arithmetic(precision).pin()
    for dtype in ("float32", "float64"):
        found, place = device.products({name: array.astype(dtype) for name, array in arrays.items()}, "cpu")
        np.savez(folder / f"{precision}-{dtype}.npz", place=place, **found)
