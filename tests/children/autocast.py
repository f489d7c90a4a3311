"""autocast FRAMEWORK PRECISION: the dtype of a linear layer's output inside the framework's ``autocast``, on a CPU."""

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
    print(layer(library.ones([1, 2])).dtype, runtime.environment("cpu")["precision"]["precision"])
