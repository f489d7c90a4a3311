"""The process's devices: what they are, and products on them by which they prove that they compute."""

import torch
from torch.nn import functional as F

from shared.worker.contract import Arrays
from torch_impl.runtime import autocast, has_gpu


def cards() -> list[dict]:
    """``name``, compute ``capability`` and ``bytes`` of memory of each GPU that can be used."""
    return [_describe(number) for number in range(torch.cuda.device_count() if has_gpu() else 0)]


def _describe(number: int) -> dict:
    card = torch.cuda.get_device_properties(number)
    return {"name": card.name, "capability": f"{card.major}.{card.minor}", "bytes": card.total_memory}


def code() -> list[str] | None:
    """The architectures that this build has code for, such as "sm_86"; None where it does not say."""
    return torch.cuda.get_arch_list() if torch.version.cuda else []


def cudnn() -> int | None:
    """The version of the cuDNN that was found, such as 91900; None where there is none."""
    return torch.backends.cudnn.version() if has_gpu() else None


def products(arrays: Arrays, device: str) -> tuple[Arrays, str]:
    """A convolution, a matrix product and their gradients, and where they were computed, "cpu" or "cuda"."""
    put = {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}
    factors = [put[name].requires_grad_() for name in ("pixels", "weights", "left", "right")]
    pixels, weights, left, right = factors
    with autocast(device):
        results = [F.conv2d(pixels, weights, padding=1), torch.matmul(left, right)]
    ahead = [put["at convolution"].to(results[0].dtype), put["at product"].to(results[1].dtype)]
    gradients = torch.autograd.grad(results, factors, ahead)
    names = ("convolution", "product", "pixels", "weights", "left", "right")
    outputs = dict(zip(names, [*results, *gradients], strict=True))
    return {name: value.detach().double().cpu().numpy() for name, value in outputs.items()}, results[0].device.type
