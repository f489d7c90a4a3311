"""This framework's process: import, threads, precision, device, and the record of them."""

import warnings
from contextlib import AbstractContextManager

import torch

from shared.config.arithmetic import Arithmetic
from shared.system.errors import UserError, printable
from shared.system.machine import describe_machine, is_tuned, keep_freed_memory, num_threads

FRAMEWORK = "torch"
_SHOWN = 200


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


def gpu_problem() -> str:
    """Why no CUDA device can be used, in one line; "" where one can."""
    with warnings.catch_warnings():  # it warns of what is said here
        warnings.simplefilter("ignore")
        if torch.cuda.is_available():
            return ""
    if torch.version.cuda is None:
        return f"PyTorch {torch.__version__} is built for the CPU"
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        said = str(error).split(". ")[0]
        return f"PyTorch {torch.__version__}, built for CUDA {torch.version.cuda}, says: {printable(said, _SHOWN)}"
    return f"PyTorch {torch.__version__}, built for CUDA {torch.version.cuda}, finds no card"


def has_gpu() -> bool:
    """Whether a CUDA device can be used."""
    return not gpu_problem()


def resolve_device(name: str) -> str:
    """ "cpu" or "cuda" for auto, cpu or cuda; UserError for cuda without a GPU."""
    problem = "" if name == "cpu" else gpu_problem()
    if name == "cuda" and problem:
        raise UserError(
            f"--device cuda: expected an NVIDIA GPU that PyTorch can use, found none ({problem}); use --device cpu"
        )
    return ("cpu" if problem else "cuda") if name == "auto" else name


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
