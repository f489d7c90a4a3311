"""From a command line to the suite that it asks for, with everything checked before training starts."""

import argparse
import dataclasses
import os
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

from compare.execution.follow import FollowingSuite
from compare.execution.suite import Executor, Suite, read_backbone
from compare.worker import NAMES, Worker
from shared import cifar
from shared.arithmetic import Arithmetic
from shared.download import fetch_cifar10
from shared.errors import UserError, WorkerDied
from shared.files import make_folder
from shared.launch import check_counts, make_layout
from shared.machine import num_threads
from shared.progress import Progress
from shared.recipe import PRESETS, Recipe
from shared.runs import FRAMEWORKS

# fields of the recipe that benchmark.py has an option for
RECIPE_OPTIONS = ("protocol", "epochs", "eval_every", "dropout", "precision", "margin")


def plan(arguments: argparse.Namespace, executor: Executor, progress: Progress) -> Suite:
    """Check everything that can be wrong before training starts, and gather what the runs share."""
    workers = {name: _worker(name, arguments) for name in FRAMEWORKS}
    asked = [arguments.cell.framework] if arguments.cell else arguments.frameworks
    facts, unavailable = _probe([workers[name] for name in asked], executor)
    preset = _choose_preset(arguments.preset, any(fact["gpu"] for fact in facts.values()))
    for name, reason in unavailable.items():
        progress.note(f"{NAMES[name]} is left out: {reason}")
    recipe = chosen_recipe(arguments, preset)
    for bits, seed in product(arguments.bits, arguments.seeds):
        dataclasses.replace(recipe, bits=bits, seed=seed)  # refuses what is out of range
    devices = {name: _device(name, arguments.device, fact["gpu"]) for name, fact in facts.items()}
    for name, device in devices.items():
        Arithmetic(recipe.precision).check(device)
        check_counts(arguments.devices, arguments.nodes, facts[name]["gpus"] if device == "cuda" else None)
    layout = make_layout(arguments.devices, arguments.nodes)
    out = make_folder(arguments.out or Path("runs") / preset)
    data = _data(arguments.data, preset, progress)
    dataset = cifar.load(data)
    recipe = dataclasses.replace(recipe, dataset=dataset.name, data_sha256=dataset.digest())
    recipe, backbone = read_backbone(arguments.backbone_weights or recipe.backbone, recipe, workers["torch"])
    kind = FollowingSuite if layout.node else Suite
    return kind(
        out=out,
        recipe=recipe,
        bits=sorted(arguments.bits),
        seeds=arguments.seeds,
        workers=[workers[name] for name in facts],
        devices=devices,
        unavailable=unavailable,
        dataset=dataset,
        data=data if data == cifar.DIGITS else os.path.abspath(data),  # a node's working folder is another
        backbone=backbone,
        force=arguments.force,
        train_options=_train_options(arguments),
        label=arguments.label,
    )


def _train_options(arguments: argparse.Namespace) -> tuple[str, ...]:
    counts = ("--devices", str(arguments.devices), "--nodes", str(arguments.nodes))
    return (*counts, "--deterministic") if arguments.deterministic else counts


def _worker(framework: str, arguments: argparse.Namespace) -> Worker:
    python = getattr(arguments, f"{framework}_python")
    threads = arguments.cell_cpus or (None if arguments.executor == "local" else num_threads())
    threads = threads and max(1, threads // max(1, arguments.devices))
    # absolute for the same reason, but no link followed: a virtual environment's interpreter is one
    return Worker(framework, os.path.abspath(python) if os.sep in python else python, threads)


def _probe(workers: list[Worker], executor: Executor) -> tuple[dict[str, dict], dict[str, str]]:
    """What each usable framework says of itself, and why the others cannot be used."""
    facts, unavailable = {}, {}
    with ThreadPoolExecutor() as pool:
        futures = {worker.framework: pool.submit(executor.info, worker) for worker in workers}
    for name, future in futures.items():
        try:
            facts[name] = future.result()
        except (UserError, WorkerDied) as error:
            unavailable[name] = str(error)
    if not facts:
        raise UserError("no framework can be used: " + "; ".join(unavailable.values()))
    return facts, unavailable


def _choose_preset(choice: str, gpu: bool) -> str:
    preset = choice if choice != "auto" else "paper" if gpu else "demo"
    reason = (
        ""
        if choice != "auto"
        else ", chosen because a framework sees a GPU"
        if gpu
        else ", chosen because no framework sees a GPU"
    )
    others = " or ".join(name for name in PRESETS if name != preset)
    print(f"PRESET {preset.upper()}{reason}. Others: python compare/benchmark.py --preset {others}", flush=True)
    return preset


def chosen_recipe(arguments: argparse.Namespace, preset: str) -> Recipe:
    """The preset with the settings that the command line names; UserError for those that do not go with it."""
    base = PRESETS[preset]
    if preset == "demo":
        for name in ("data", "protocol", "backbone_weights"):
            if getattr(arguments, name) not in (None, "none"):
                option = f"--{name.replace('_', '-')}"
                raise UserError(
                    f"{option} goes with --preset cpu or paper; the demo has its own digits and random weights"
                )
    chosen = {name: getattr(arguments, name) for name in RECIPE_OPTIONS}
    return dataclasses.replace(base, **{name: value for name, value in chosen.items() if value is not None})


def _device(framework: str, choice: str, gpu: bool) -> str:
    if choice == "cuda" and not gpu:
        raise UserError(
            f"--device cuda: expected an NVIDIA GPU that {NAMES[framework]} can use, found none; use --device cpu"
        )
    return ("cuda" if gpu else "cpu") if choice == "auto" else choice


def _data(choice: str | None, preset: str, progress: Progress) -> str:
    if preset == "demo":
        return cifar.DIGITS
    return str(fetch_cifar10(progress)) if choice in (None, "download") else choice
