"""This framework's process: import, threads, precision, device, and the record of them."""

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager

from shared.config.arithmetic import Arithmetic
from shared.system.errors import UserError, printable
from shared.system.machine import cpu_info, describe_machine, is_tuned, keep_freed_memory, mkl_code_path, num_threads

FRAMEWORK = "paddle"
_SHOWN = 200

os.environ.setdefault("GLOG_minloglevel", "2")
# the bundled MKL takes a slow code path on AMD processors unless this is set before its first product
if is_tuned() and (_code_path := mkl_code_path(cpu_info())):
    os.environ.setdefault("MKL_DEBUG_CPU_TYPE", _code_path)


@contextlib.contextmanager
def _process_restored() -> Iterator[None]:
    """Undo what importing Paddle does to the process: root logger, OMP_NUM_THREADS, warnings."""
    root = logging.getLogger()
    handlers, level, threads = root.handlers[:], root.level, os.environ.get("OMP_NUM_THREADS")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="No ccache found")
        yield
    root.handlers[:] = handlers
    root.setLevel(level)
    os.environ.pop("OMP_NUM_THREADS")
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = threads


with _process_restored():
    import paddle

from paddle_impl import flags


def configure() -> None:
    """Set memory, threads and precision, and give the process its own signal handlers back."""
    if is_tuned():
        keep_freed_memory()
    paddle.disable_signal_handler()
    use_all_threads()
    for library in _switches():
        getattr(paddle.base.core, f"set_{library}_switch")(Arithmetic.of_process().tf32)
    flags.configure()


def use_all_threads() -> None:
    """Give matrix products and the like this process's threads, again after what took them away."""
    paddle.base.core.set_num_threads(num_threads())


def _switches() -> list[str]:
    # some builds for the CPU have none
    return [library for library in ("cublas", "cudnn") if hasattr(paddle.base.core, f"set_{library}_switch")]


def autocast(device: str) -> AbstractContextManager:
    """Where forward passes belong: bfloat16 if that is this process's precision, else no change."""
    return paddle.amp.auto_cast(enable=Arithmetic.of_process().bf16, dtype="bfloat16", level="O1")


def gpu_problem() -> str:
    """Why no CUDA device can be used, in one line; "" where one can."""
    if not paddle.is_compiled_with_cuda():
        return f"PaddlePaddle {paddle.__version__} is built for the CPU"
    built = f"PaddlePaddle {paddle.__version__}, built for CUDA {paddle.version.cuda()},"
    try:
        count = paddle.device.cuda.device_count()
    except (OSError, RuntimeError, SystemError, ValueError) as error:
        return f"{built} says: {printable(str(error).strip().splitlines()[-1], _SHOWN)}"
    # Paddle itself warns, at most, and computes on the CPU
    missing = "finds no card: the driver is missing or too old, or CUDA_VISIBLE_DEVICES hides the card"
    return "" if count else f"{built} {missing}"


def has_gpu() -> bool:
    """Whether a CUDA device can be used."""
    return not gpu_problem()


def resolve_device(name: str) -> str:
    """ "cpu" or "cuda" for auto, cpu or cuda; UserError for cuda without a GPU."""
    problem = "" if name == "cpu" else gpu_problem()
    if name == "cuda" and problem:
        raise UserError(
            f"--device cuda: expected an NVIDIA GPU that Paddle can use, found none ({problem}); use --device cpu"
        )
    device = ("cpu" if problem else "cuda") if name == "auto" else name
    paddle.set_device("gpu" if device == "cuda" else "cpu")
    flags.check(device)
    return device


def environment(device: str) -> dict:
    """The contents of ``environment.json``."""
    machine = describe_machine(("paddlepaddle", "paddlepaddle-gpu"))
    arithmetic = Arithmetic.of_process()
    precision = {
        "precision": arithmetic.precision,
        "deterministic": arithmetic.deterministic,
        "dtype": "float32",
        **{f"{library}_switch": getattr(paddle.base.core, f"get_{library}_switch")() for library in _switches()},
        **flags.in_force(),
    }
    return {
        "framework": FRAMEWORK,
        "device": device,
        "device_name": paddle.device.cuda.get_device_name() if device == "cuda" else machine["cpu"],
        "framework_threads": num_threads(),
        "cuda": paddle.version.cuda(),
        "cudnn": paddle.version.cudnn(),
        "precision": precision,
        **machine,
    }
