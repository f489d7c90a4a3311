"""From a command line to the suite that it asks for, with everything checked before training starts."""

import argparse
import dataclasses
import os
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

from compare.frameworks.records import FRAMEWORKS, run_order
from compare.frameworks.worker import Worker, named_python
from compare.suite.backbone import read_backbone
from compare.suite.cells import LocalExecutor
from compare.suite.devices import (
    ask,
    check_begun,
    choose_devices,
    choose_preset,
    note_unused_card,
    preset_line,
)
from compare.suite.follow import FollowingSuite
from compare.suite.images import as_begun, data_or_download, look_at_splits, with_data
from compare.suite.settings import RECIPE_OPTIONS, with_options
from compare.suite.suite import Executor, Suite
from shared.checkpoint.weights import Arrays
from shared.config.arithmetic import Arithmetic
from shared.config.kernels import check_kernels
from shared.config.recipe import PRESETS, Recipe
from shared.data import cifar
from shared.data.cifar import Dataset
from shared.network.flops import check_memory
from shared.system.errors import UserError, printable
from shared.system.files import check_links, check_writable
from shared.system.machine import num_threads
from shared.system.options import option_of
from shared.system.progress import Progress
from shared.training.launch import check_counts, make_layout
from shared.training.runs import LOGGERS


@dataclass(frozen=True)
class Outline:
    """What is known of a suite before its images and weights are read: who runs where, into which folder.

    ``workers`` are all frameworks, ``running`` those that run; the recipe has no data yet.
    """

    workers: dict[str, Worker]
    running: list[str]
    unavailable: dict[str, str]
    devices: dict[str, str]
    recipe: Recipe
    out: Path
    node: int

    def suite(
        self, arguments: argparse.Namespace, recipe: Recipe, dataset: Dataset, data: str, backbone: Arrays
    ) -> Suite:
        """The suite of the ``dataset`` that lies at ``data``, by its ``recipe``."""
        kind = partial(FollowingSuite, timeout=arguments.timeout) if self.node else Suite
        return kind(
            out=self.out,
            recipe=recipe,
            bits=sorted(arguments.bits),
            seeds=arguments.seeds,
            workers=[self.workers[name] for name in self.running],
            devices=self.devices,
            unavailable=self.unavailable,
            dataset=dataset,
            data=data if data == cifar.DIGITS else os.path.abspath(data),  # a node's working folder is another
            backbone=backbone,
            force=arguments.force,
            train_options=_train_options(arguments),
            label=printable(arguments.label),
            loggers=tuple(arguments.logger),
        )


def plan(arguments: argparse.Namespace, executor: Executor, progress: Progress, is_finished: bool = False) -> Suite:
    """Check everything that can be wrong before training starts, and gather what the runs share.

    Where every requested run ``is_finished``, no framework is started to see whether it can run.
    """
    known = outline(arguments, executor, progress, is_finished)
    data = data_or_download(arguments.data, known.recipe.preset, progress)
    recipe, dataset = with_data(known.recipe, data, arguments.label, progress, arguments.skip_unreadable)
    look_at_splits(recipe, dataset, data, arguments.seeds, arguments.strict_split, progress)
    recipe = recipe if arguments.force else as_begun(recipe, known.out, arguments.label)
    recipe, backbone = read_backbone(arguments.backbone_weights or recipe.backbone, recipe, known.workers)
    return known.suite(arguments, recipe, dataset, data, backbone)


def outline(
    arguments: argparse.Namespace, executor: Executor, progress: Progress, is_finished: bool = False
) -> Outline:
    """Everything that needs neither images nor weights; raises and skips like ``plan``."""
    workers = {name: _worker(name, arguments) for name in run_order()}
    requested = [arguments.cell.framework] if arguments.cell else arguments.frameworks
    asked = [] if is_finished else [workers[name] for name in requested]
    infos, unavailable = ask(asked, executor, arguments.device) if asked else ({}, {})
    devices = choose_devices(infos, arguments.device)
    preset, reason = choose_preset(arguments.preset, devices, arguments.device)
    print(preset_line(preset, reason), flush=True)
    for name, why in unavailable.items():
        progress.note(f"{FRAMEWORKS[name].title} is left out: {why}")
    if arguments.device == "auto" and isinstance(executor, LocalExecutor):
        note_unused_card(infos, progress)
    recipe = chosen_recipe(arguments, preset)
    if isinstance(executor, LocalExecutor) and not is_finished:
        _check_loggers(arguments, [workers[name] for name in infos])
    for name, device in devices.items():
        Arithmetic(recipe.precision).check(device)
        check_kernels(recipe.kernels, device, arguments.devices * arguments.nodes)
        check_counts(arguments.devices, arguments.nodes, infos[name]["gpus"] if device == "cuda" else None)
        if device == "cpu":
            widest = dataclasses.replace(recipe, bits=max(arguments.bits))
            check_memory(widest, arguments.devices, f"--devices {arguments.devices}")
    layout = make_layout(arguments.devices, arguments.nodes)
    out = folder_of(arguments, preset)
    check_writable(out)
    check_links(out)
    if arguments.device == "auto" and not arguments.force:
        check_begun(out, devices)
    running = requested if is_finished else list(infos)
    return Outline(workers, running, unavailable, devices, recipe, out, layout.node)


def folder_of(arguments: argparse.Namespace, preset: str) -> Path:
    """The suite's folder."""
    return arguments.out or Path("runs") / preset


def check_options(arguments: argparse.Namespace) -> None:
    """Refuse what no preset could do, before a framework is started: UserError says what is out of range."""
    _check_grid(arguments)
    make_layout(arguments.devices, arguments.nodes)
    recipe = chosen_recipe(arguments, "paper" if arguments.preset == "auto" else arguments.preset)
    for bits, seed in product(arguments.bits, arguments.seeds):
        dataclasses.replace(recipe, bits=bits, seed=seed)


def _check_grid(arguments: argparse.Namespace) -> None:
    for name in ("bits", "seeds"):
        if len(set(getattr(arguments, name))) != len(getattr(arguments, name)):
            raise UserError(f"--{name}: expected different values, received {getattr(arguments, name)}")
    grid = (arguments.frameworks, arguments.bits, arguments.seeds)
    if arguments.cell and not all(value in values for value, values in zip(arguments.cell, grid, strict=True)):
        choices = " : ".join("|".join(map(str, values)) for values in grid)
        raise UserError(
            f"--cell: expected one of --frameworks : --bits : --seeds, {choices}; received {arguments.cell}"
        )
    if arguments.cell and arguments.preset == "auto":
        raise UserError(
            f"--cell: expected --preset {' or '.join(PRESETS)} beside it, since auto can differ from node to node"
        )
    requested = {FRAMEWORKS[name].module: name for name in arguments.frameworks}
    for name in arguments.logger:
        if LOGGERS[name] not in requested:
            raise UserError(f"--logger {name}: expected among --frameworks that of {LOGGERS[name]}, which writes it")
    if arguments.ray_address and arguments.executor != "ray":
        raise UserError("--ray-address goes with --executor ray; leave it out, or add that")
    if arguments.executor == "ray" and (arguments.devices, arguments.nodes) != (1, 1):
        raise UserError("--devices and --nodes: expected 1 with --executor ray, whose runs have one device each")


def _check_loggers(arguments: argparse.Namespace, workers: list[Worker]) -> None:
    """UserError where a worker's interpreter lacks a logger that is asked for."""
    for name in arguments.logger:
        for worker in workers:
            if FRAMEWORKS[worker.framework].module == LOGGERS[name]:
                worker.output_of("shared.worker.loggers", name)


def _train_options(arguments: argparse.Namespace) -> tuple[str, ...]:
    counts = ("--devices", str(arguments.devices), "--nodes", str(arguments.nodes))
    flags = [option_of(name) for name in ("deterministic", "keep_best") if getattr(arguments, name)]
    return (*counts, *flags)


def threads_of_run(arguments: argparse.Namespace) -> int:
    """Threads of one run, over its processes on a machine: the same whoever executes it, since results depend on it."""
    return arguments.cell_cpus or num_threads()


def _worker(framework: str, arguments: argparse.Namespace) -> Worker:
    threads = max(1, threads_of_run(arguments) // arguments.devices)
    worker = Worker(framework, named_python(arguments, framework), threads)
    # absolute for the same reason, but no link followed: a virtual environment's interpreter is one
    python = os.path.abspath(worker.python) if os.sep in worker.python else worker.python
    return dataclasses.replace(worker, python=python)


def chosen_recipe(arguments: argparse.Namespace, preset: str) -> Recipe:
    """The preset with the settings that the command line names; UserError for those that do not go with it."""
    base = PRESETS[preset]
    if preset == "demo":
        _check_demo(arguments)
    return with_options(base, arguments, RECIPE_OPTIONS)


def _check_demo(arguments: argparse.Namespace) -> None:
    """UserError for what does not go with the demo, whose small network starts random and has digits without --data."""
    others = " or ".join(name for name in PRESETS if name != "demo")
    if arguments.backbone_weights not in (None, "none"):
        raise UserError(f"--backbone-weights goes with --preset {others}; the demo's small network starts random")
    if arguments.data and arguments.preset == "auto":
        raise UserError(
            f"--data: expected --preset beside it where there is no GPU: {others}, or demo, whose small network starts "
            "random"
        )
    if arguments.protocol and not arguments.data:
        raise UserError(f"--protocol goes with --data or --preset {others}; the demo has its own digits")
