"""What the ``info`` verb tells of a framework on this machine: its devices, whether they compute, and its versions."""

from shared.worker.contract import Implementation
from shared.worker.device_proof import attempt, check_device, device_problem


def describe(title: str, implementation: Implementation, device: str, is_named: bool) -> tuple[dict, str]:
    """The record, and the device that work would run on: the CPU where the GPU that was found does not compute.

    UserError for that GPU where it ``is_named`` by the user. ``gpu`` says whether there is one to use, ``gpu_problem``
    why not; ``gpu_found`` also counts one that does not compute. ``cards``, ``code`` and ``cudnn`` are as
    ``contract.Device`` has them.
    """
    gpu, is_found = implementation.device, device == "cuda"
    if is_named:
        check_device(title, gpu, device)
        problem = ""
    else:
        problem = device_problem(gpu, device) if is_found else implementation.runtime.gpu_problem()
    record = {
        "gpu": not problem,
        "gpu_found": is_found,
        "gpu_problem": problem,
        "gpus": 0 if problem else implementation.parallel.count_gpus(),
        "cards": attempt(gpu.cards)[0] or [],
        "code": gpu.code(),
        "cudnn": attempt(gpu.cudnn)[0],
    }
    return record, "cpu" if problem else device
