"""contract FRAMEWORK: what an implementation lacks of shared.worker.contract, as a JSON list of sentences."""

import importlib
import inspect
import json
import sys
from types import ModuleType

import numpy as np

from shared.data.cifar import Dataset
from shared.worker import contract

# module, or class in a module, of an implementation -> what it must offer
OFFERS = {
    "runtime": contract.Runtime,
    "device": contract.Device,
    "parallel": contract.Parallel,
    "convert": contract.Convert,
    "images.DeviceImages": contract.DeviceImages,
    "batches.DeviceBatches": contract.DeviceBatches,
    "encode": contract.Encode,
    "export": contract.Exporter,
    "probe.Side": contract.Side,
    "bench.Bench": contract.Bench,
}


def differences(protocol: type, offered: object) -> list[str]:
    """What ``offered``, a module or a class, lacks of ``protocol``: functions, and their parameters in order."""
    problems = []
    for name, wanted in vars(protocol).items():
        if not inspect.isfunction(wanted) or wanted.__module__ != protocol.__module__:  # typing gives a Protocol some
            continue
        if not callable(function := getattr(offered, name, None)):
            problems.append(f"{name} is missing")
            continue
        expected = parameters(wanted)[1:] if isinstance(offered, ModuleType) else parameters(wanted)
        if expected != parameters(function):
            problems.append(f"{name}: expected {expected}, received {parameters(function)}")
    return problems


def parameters(function: object) -> list[str]:
    """Name, kind and default of each."""
    return [
        f"{p.name} ({p.kind.description}, default {p.default})" for p in inspect.signature(function).parameters.values()
    ]


def missing_values(protocol: type, offered: object) -> list[str]:
    """The values, not functions, of ``protocol`` that ``offered`` does not hold."""
    return [f"{name} is missing" for name in inspect.get_annotations(protocol) if not hasattr(offered, name)]


def main(framework: str) -> None:
    """Compare everything that is offered, and what ``load`` hands to the worker."""
    package = f"{framework}_impl"
    implementation = importlib.import_module(f"{package}.__main__").load()
    problems, offers = [], {}
    for place, protocol in OFFERS.items():
        module, _, name = place.partition(".")
        offers[place] = importlib.import_module(f"{package}.{module}")
        offers[place] = getattr(offers[place], name) if name else offers[place]
        problems += [f"{place}: {difference}" for difference in differences(protocol, offers[place])]
    images = offers["images.DeviceImages"](
        Dataset("custom", np.zeros((2, 8, 8, 3), np.uint8), np.zeros(2, int)), 8, "cpu"
    )
    problems += missing_values(contract.Runtime, implementation.runtime)
    problems += missing_values(contract.DeviceImages, images)
    handed = dict(zip(implementation._fields, implementation, strict=True))
    for name, place in {"device_images": "images.DeviceImages", **{n: n for n in OFFERS if n in handed}}.items():
        problems += [] if handed[name] is offers[place] else [f"load hands over another {name}"]
    for name, expected in {"fit": ["job"], "probe": ["files", "out", "device"], "bench": ["job"]}.items():
        if list(inspect.signature(handed[name]).parameters) != expected:
            problems.append(f"{name}: expected the parameters {expected}")
    print(json.dumps(problems))


if __name__ == "__main__":
    main(sys.argv[1])
