"""autocast FRAMEWORK PRECISION: the dtype of a linear layer's output inside the framework's ``autocast``, on a CPU.

Then the precision by its name, and each of the framework's switches for TF32 with whether it is on.
"""

import importlib
import sys

from shared.config.arithmetic import Arithmetic

framework, precision = sys.argv[1:]
Arithmetic(precision).pin()
runtime = importlib.import_module(f"{framework}_impl.runtime")
runtime.configure()
library = getattr(runtime, framework)
with runtime.autocast("cpu"):
    layer = library.nn.Linear(2, 2)
    found = runtime.environment("cpu")["precision"]
    print(layer(library.ones([1, 2])).dtype, found["precision"])
print({name: on for name, on in found.items() if "tf32" in name or "switch" in name})
