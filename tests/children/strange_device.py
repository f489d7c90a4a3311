"""strange_device FRAMEWORK HOW VERB ...: the framework's worker on a machine whose GPU is not as it should be.

HOW: ``falls-back`` - what is meant for the GPU goes to the CPU; ``no-kernel``, ``wrong`` - products on the GPU fail,
or are wrong in the fifth digit; ``right`` - it computes; ``driver`` - built for CUDA, it finds no card.
"""

import importlib
import sys
from types import SimpleNamespace

from shared.worker.cli import run_worker

NO_KERNEL = "CUDA error: no kernel image is available for execution on the device"


def main(framework, how):
    titles = {"torch": "PyTorch Lightning", "paddle": "PaddlePaddle"}
    run_worker(f"{framework}_impl", titles[framework], lambda: load(framework, how))


def load(framework, how):
    implementation = importlib.import_module(f"{framework}_impl.__main__").load()
    runtime, device = implementation.runtime, implementation.device
    if framework == "torch":
        as_if_torch_had_a_gpu(runtime.torch, how)
    else:
        as_if_paddle_had_a_gpu(runtime.paddle, how)
    real = device.products

    def products(arrays, name):
        if name == "cpu":
            return real(arrays, name)
        if how == "no-kernel":
            raise RuntimeError(f"\n\n--------\nC++ Traceback\n--------\nError Message Summary:\n{NO_KERNEL}\n")
        found = real(arrays, "cpu")[0]
        found["weights"] *= {"wrong": 1 + 1e-4, "right": 1.0}[how]
        return found, "cuda"

    if how in ("no-kernel", "wrong", "right"):
        device.products = products
    return implementation


def as_if_torch_had_a_gpu(torch, how):
    if how == "driver":
        return  # it is built for CUDA as it is, and there is no driver
    torch.cuda.is_available, torch.cuda.device_count = lambda: True, lambda: 1
    torch.cuda.get_device_name = lambda: "a card"
    torch.cuda.get_device_properties = lambda _: properties()
    if how == "falls-back":
        real = torch.Tensor.to
        torch.Tensor.to = lambda tensor, place: real(tensor, "cpu" if place == "cuda" else place)


def as_if_paddle_had_a_gpu(paddle, how):
    paddle.is_compiled_with_cuda = lambda: True
    paddle.device.cuda.device_count = lambda: 0 if how == "driver" else 1
    paddle.device.cuda.get_device_name = lambda: "a card"
    paddle.device.cuda.get_device_properties = lambda _: properties()
    real = paddle.set_device
    paddle.set_device = lambda _: real("cpu")


def properties():
    return SimpleNamespace(name="a card", major=8, minor=6, total_memory=8 * 2**30)


if __name__ == "__main__":
    framework, how = sys.argv[1:3]
    del sys.argv[1:3]
    main(framework, how)
