"""What the ``info`` verb tells of a framework on this machine: its devices, whether they compute, and its versions."""

from shared.worker.contract import Implementation
from shared.worker.device_proof import attempt, check_device, device_problem


def describe(title: str, implementation: Implementation, device: str, is_named: bool) -> tuple[dict, str]:
    """The facts, and the device that work would run on: the CPU where the GPU that was found does not compute.

    UserError for that GPU where it ``is_named`` by the user. ``gpu_problem`` says why there is no GPU to use, "" where
    there is one; ``cards``, ``code`` and ``cudnn`` are as ``contract.Device`` has them.
    """
    runtime, cards = implementation.runtime, implementation.device
    if is_named:
        check_device(title, cards, device)
    problem = device_problem(cards, device) if device == "cuda" and not is_named else runtime.gpu_problem()
    found = {name: attempt(tell)[0] for name, tell in (("cards", cards.cards), ("cudnn", cards.cudnn))}
    facts = {"gpu": not problem, "gpu_problem": problem, "gpus": 0 if problem else implementation.parallel.count_gpus()}
    return facts | found | {"code": cards.code()}, "cpu" if problem else device
