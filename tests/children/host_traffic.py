"""host_traffic FRAMEWORK train ...: the worker's verb, then how often its training crossed from and to the host.

The last line is a JSON object: calls of what makes a tensor of NumPy arrays or Python numbers, and of what reads one.
"""

import functools
import importlib
import json
import sys
from collections import Counter
from unittest import mock

from shared.worker.cli import run_worker

CALLS = {
    "torch": {"": ("from_numpy", "tensor", "as_tensor"), "Tensor": ("item", "tolist", "numpy", "cpu", "__float__")},
    "paddle": {"": ("to_tensor",), "Tensor": ("item", "tolist", "numpy", "cpu", "__float__", "__array__")},
}


def counted(owner, name, calls):
    original = getattr(owner, name)

    @functools.wraps(original)
    def call(*arguments, **options):
        calls[name] += 1
        return original(*arguments, **options)

    return mock.patch.object(owner, name, call)


def load(framework):
    implementation = importlib.import_module(f"{framework}_impl.__main__").load()
    library = importlib.import_module(framework)

    def fit(job):
        calls, patches = Counter(), []
        for owner, names in CALLS[framework].items():
            patches += [counted(getattr(library, owner) if owner else library, name, calls) for name in names]
        for patch in patches:
            patch.start()
        implementation.fit(job)
        for patch in patches:
            patch.stop()
        print(json.dumps(calls))

    return implementation._replace(fit=fit)


if __name__ == "__main__":
    name = sys.argv.pop(1)
    run_worker("tests.children.host_traffic", name, functools.partial(load, name))
