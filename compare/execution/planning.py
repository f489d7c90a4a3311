"""From a command line to the suite that it asks for, with everything checked before training starts."""

import argparse
import dataclasses
import os
import shlex
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

from compare.execution.follow import FollowingSuite
from compare.execution.suite import Executor, Suite, read_backbone
from compare.worker import NAMES, Worker
from shared import cifar
from shared.arithmetic import Arithmetic
from shared.cifar import Dataset
from shared.download import fetch_cifar10
from shared.errors import UserError, WorkerDied, printable
from shared.files import make_folder
from shared.identity import CIFAR10
from shared.launch import check_counts, make_layout
from shared.machine import num_threads
from shared.progress import Progress
from shared.recipe import PRESETS, Recipe
from shared.runs import FRAMEWORKS, begun_runs

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
    recipe, dataset = with_data(recipe, data, arguments.label, progress)
    recipe = recipe if arguments.force else as_begun(recipe, out, arguments.label)
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
        label=printable(arguments.label),
    )


def with_data(recipe: Recipe, data: str, label: str, progress: Progress) -> tuple[Recipe, Dataset]:
    """The images in ``data``, which their user calls ``label``, and the recipe for them; their notes are passed on.

    Raises UserError for images that do not fit the network's input.
    """
    dataset = cifar.load(data, label)
    for note in dataset.notes:
        progress.note(printable(note))
    height, width = dataset.pixels.shape[1:3]
    if max(height, width) > recipe.input_px:
        most = f"{recipe.input_px}x{recipe.input_px}, the network's input"
        raise UserError(f"{data}: expected images of at most {most}, received {width}x{height}; make them smaller")
    known = {"dataset": dataset.name, "class_names": dataset.class_names, "data_sha256": dataset.digest()}
    return dataclasses.replace(recipe, **known), dataset


def as_begun(recipe: Recipe, out: Path, label: str) -> Recipe:
    """``recipe`` with the class names that the runs in ``out`` keep for its images; earlier versions kept none.

    Those called any images with CIFAR-10's counts by its name: UserError where a run in ``out`` has another name for
    the same images, with what to do.
    """
    for run in begun_runs(out):
        begun = run.recipe()
        if begun.data_sha256 != recipe.data_sha256:
            continue
        if begun.dataset != recipe.dataset:
            copy = f"if they are a copy of CIFAR-10, say --label {shlex.quote(CIFAR10.label(label))}"
            mend = copy if begun.dataset == CIFAR10.name else "give the --label that was given there"
            raise UserError(
                f"{run.folder} holds a run on the same images, called {begun.dataset} there and {recipe.dataset} now; "
                f"{mend}, or choose another --out"
            )
        recipe = dataclasses.replace(recipe, class_names=begun.class_names)
    return recipe


def _train_options(arguments: argparse.Namespace) -> tuple[str, ...]:
    counts = ("--devices", str(arguments.devices), "--nodes", str(arguments.nodes))
    return (*counts, "--deterministic") if arguments.deterministic else counts


def threads_of_run(arguments: argparse.Namespace) -> int:
    """Threads of one run, over its processes on a machine: the same whoever executes it, since results depend on it."""
    return arguments.cell_cpus or num_threads()


def _worker(framework: str, arguments: argparse.Namespace) -> Worker:
    python = getattr(arguments, f"{framework}_python")
    threads = max(1, threads_of_run(arguments) // max(1, arguments.devices))
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
    other = "demo" if preset == "paper" else "paper"
    print(f"PRESET {preset.upper()}{reason}. For the other: python compare/benchmark.py --preset {other}", flush=True)
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
