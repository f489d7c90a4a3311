"""Where a suite computes: what each framework says of its devices, and one kind of device for all of them."""

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from compare.frameworks.records import FRAMEWORKS, all_of, titles
from compare.frameworks.worker import Worker, side_by_side
from compare.installation.cards import has_nvidia_card
from compare.suite.run_folders import begun_runs
from compare.suite.suite import Executor
from shared.config.recipe import PRESETS
from shared.system.errors import UserError, WorkerDied
from shared.system.progress import Progress
from shared.training.runs import Run
from shared.worker.device_proof import REMEDY

_PLACES = {"cuda": "the GPU", "cpu": "the CPU"}


def ask(workers: Iterable[Worker], executor: Executor, choice: str) -> tuple[dict[str, dict], dict[str, str]]:
    """Framework -> its ``info``, and framework -> why it cannot be used; UserError for one that the user named.

    No GPU is asked to compute where ``choice``, that of ``--device``, is cpu.
    """
    workers, infos, unavailable = list(workers), {}, {}
    device = "cpu" if choice == "cpu" else "auto"  # of cuda, too: a framework that has none says why
    futures = side_by_side([partial(executor.info, worker, device) for worker in workers])
    for worker, future in zip(workers, futures, strict=True):
        try:
            infos[worker.framework] = future.result()
        except (UserError, WorkerDied) as error:
            reason = str(error).replace("\n", " ")
            if worker.named:
                raise UserError(f"--{worker.framework}-python {worker.python} cannot be used: {reason}") from error
            unavailable[worker.framework] = reason
    if not infos:
        raise UserError("no framework can be used: " + "; ".join(unavailable.values()))
    return infos, unavailable


def choose_devices(infos: Mapping[str, dict], choice: str) -> dict[str, str]:
    """Framework -> "cpu" or "cuda", by ``choice`` of auto, cpu or cuda; for auto it is the same for all.

    UserError, with the reason, for a framework that cannot use the GPU where it is to or where another can, and for a
    card that is there and does not compute.
    """
    reasons = {name: info["gpu_problem"] for name, info in infos.items() if not info["gpu"]}
    if choice == "cpu" or not infos:
        return dict.fromkeys(infos, "cpu")
    if choice == "cuda" and reasons:
        name, reason = next(iter(reasons.items()))
        title = FRAMEWORKS[name].title
        others = [other for other in infos if other not in reasons]
        alone = f", or --frameworks {' '.join(others)}" if others else ""
        raise UserError(
            f"--device cuda: expected an NVIDIA GPU that {title} can use, found none ({reason}); use --device cpu"
            f"{alone}"
        )
    if len(reasons) == len(infos):
        for name, reason in reasons.items():
            if infos[name]["gpu_found"]:
                raise UserError(f"{FRAMEWORKS[name].title} cannot use the GPU: {reason}; {REMEDY}")
        return dict.fromkeys(infos, "cpu")
    for name, reason in reasons.items():
        others = [other for other in infos if other not in reasons]
        raise UserError(
            f"--device auto: expected one kind of device for {all_of(len(infos))} frameworks, but {titles(others)} can "
            f"use the GPU and {FRAMEWORKS[name].title} cannot ({reason}); choose --device cpu, or --frameworks "
            f"{' '.join(others)}"
        )
    return dict.fromkeys(infos, "cuda")


def note_unused_card(infos: Mapping[str, dict], progress: Progress) -> None:
    """Say so where this machine has an NVIDIA card that no framework can use."""
    if infos and not any(info["gpu"] for info in infos.values()) and has_nvidia_card():
        reasons = "; ".join(info["gpu_problem"] for info in infos.values())
        progress.note(
            f"note: this machine has an NVIDIA card, and everything computes on the CPU: {reasons}. What to do: "
            "python compare/doctor.py"
        )


def check_begun(out: Path, devices: Mapping[str, str]) -> None:
    """UserError where a run in ``out`` was made on another kind of device than ``--device auto`` takes now."""
    for run in begun_runs(out):
        earlier = _device_of(run)
        for name, device in devices.items():
            if earlier in _PLACES and device != earlier:
                raise UserError(
                    f"--device auto: {run.folder} was made on {_PLACES[earlier]}, and {FRAMEWORKS[name].title} would "
                    f"now compute on {_PLACES[device]}; choose --device cpu or --device cuda, or another --out"
                )


def _device_of(run: Run) -> str | None:
    """The kind of device that a run was made on; None where that is not known, as before it has started."""
    try:
        return run.environment()["device"]
    except UserError:
        return None


def choose_preset(choice: str, devices: Mapping[str, str], device_choice: str) -> tuple[str, str]:
    """The preset, and why auto took it, "" for one that was named: paper where a run computes on a GPU, else demo."""
    if choice != "auto":
        return choice, ""
    if "cuda" in devices.values():
        return "paper", ", chosen because a framework sees a GPU"
    reason = "of --device cpu" if device_choice == "cpu" else "no framework sees a GPU"
    return "demo", f", chosen because {reason}"


def preset_line(preset: str, reason: str) -> str:
    """The line that names the preset and the others."""
    others = " or ".join(name for name in PRESETS if name != preset)
    return f"PRESET {preset.upper()}{reason}. Others: python compare/benchmark.py --preset {others}"
