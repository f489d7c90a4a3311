"""This framework's process: import, threads, precision, device, and the record of them."""

import warnings
from contextlib import AbstractContextManager

import torch

from shared.config.arithmetic import Arithmetic
from shared.system.errors import UserError
from shared.system.machine import describe_machine, is_tuned, keep_freed_memory, num_threads

FRAMEWORK = "torch"


def configure() -> None:
    """Set memory, threads and precision, and leave terminal output to this project's own progress display.

    What Lightning logs is turned off where it is imported (torch_impl/lit.py).
    """
    arithmetic = Arithmetic.of_process()
    if is_tuned():
        keep_freed_memory()
    torch.set_num_threads(num_threads())
    torch.backends.cuda.matmul.allow_tf32 = arithmetic.tf32
    torch.backends.cudnn.allow_tf32 = arithmetic.tf32
    if arithmetic.deterministic:  # the call alone imports torch's compiler, which costs seconds
        # an operation that has no deterministic form says so in a warning
        torch.use_deterministic_algorithms(True, warn_only=True)
    warnings.filterwarnings("ignore", module="lightning.*")


def autocast(device: str) -> AbstractContextManager:
    """Where forward passes belong: bfloat16 if that is this process's precision, else no change."""
    return torch.autocast(device, torch.bfloat16, enabled=Arithmetic.of_process().bf16)


def has_gpu() -> bool:
    """Whether a CUDA device can be used."""
    return torch.cuda.is_available()


def resolve_device(name: str) -> str:
    """ "cpu" or "cuda" for auto, cpu or cuda; UserError for cuda without a GPU."""
    if name == "cuda" and not has_gpu():
        raise UserError("--device cuda: expected an NVIDIA GPU that PyTorch can use, found none; use --device cpu")
    return ("cuda" if has_gpu() else "cpu") if name == "auto" else name


def environment(device: str) -> dict:
    """The contents of ``environment.json``."""
    machine = describe_machine(("torch", "lightning", "torchvision"))
    arithmetic = Arithmetic.of_process()
    precision = {
        "precision": arithmetic.precision,
        "deterministic": arithmetic.deterministic,
        "dtype": "float32",
        "cuda.matmul.allow_tf32": torch.backends.cuda.matmul.allow_tf32,
        "cudnn.allow_tf32": torch.backends.cudnn.allow_tf32,
    }
    return {
        "framework": FRAMEWORK,
        "device": device,
        "device_name": torch.cuda.get_device_name() if device == "cuda" else machine["cpu"],
        "framework_threads": torch.get_num_threads(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if device == "cuda" else None,
        "precision": precision,
        **machine,
    }
