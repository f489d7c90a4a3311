"""Whether memory and disk are enough, and whether images and weights are here."""

import math
import shutil
from collections.abc import Mapping
from pathlib import Path

from compare.diagnosis.findings import FAULT, OK, WARNING, Finding
from compare.frameworks.records import FRAMEWORKS
from compare.frameworks.worker import Worker
from compare.suite.backbone import HAS_TORCHVISION, must_be_fetched, read_backbone
from compare.suite.images import data_at_hand, problems_of, with_data
from shared.config.recipe import Recipe
from shared.data import cifar
from shared.data.leaks import contents
from shared.network.flops import moments_per_weight, training_memory, weight_bytes
from shared.system.errors import UserError, printable
from shared.system.files import cache_folder, check_writable
from shared.system.machine import free_memory_bytes, num_threads
from shared.system.progress import Progress

# of the archive of CIFAR-10, and of torchvision's AlexNet, which is kept under our names, too
_DATA_BYTES, _WEIGHTS_BYTES = 170_052_171, 2 * 244_408_911


def look_at_memory(recipe: Recipe) -> Finding:
    """Whether a run of ``recipe`` fits into the memory that is free."""
    free, needed = free_memory_bytes(), training_memory(recipe)
    threads = f"{num_threads()} thread{'s' * (num_threads() != 1)}"
    text = f"{_size(free)} free, {threads}; training takes {_size(needed)} or more"
    if free < needed:
        return Finding(FAULT, "memory", text, "end other programs, or choose --preset demo")
    return Finding(OK, "memory", text)


def look_at_disk(recipe: Recipe, out: Path, runs: int, lengths: int) -> Finding:
    """Whether so many runs of ``recipe``, of so many code lengths, fit into the folder ``out``."""
    # a checkpoint with momentum of each run, a state to go on from in one, and of each length what all start from
    needed = ((1 + moments_per_weight(recipe)) * (runs + 1) + lengths) * weight_bytes(recipe)
    if problem := _problem_with(out, needed):
        return Finding(FAULT, "disk", problem, "make room, or name another folder with --out")
    return Finding(OK, "disk", f"{_size(_free(out))} free for {printable(out)}; {runs} runs take {_size(needed)}")


def _problem_with(folder: Path, needed: int) -> str:
    """Why so many bytes cannot be written into a folder, which need not be there; "" where they can."""
    try:
        check_writable(folder)
    except UserError as error:
        return str(error)
    free = _free(folder)
    return f"expected {_size(needed)} free for {printable(folder)}, found {_size(free)}" if free < needed else ""


def _free(folder: Path) -> int:
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(nearest).free


def _size(number: int) -> str:
    return f"{number / 2**30:.1f} GiB" if number >= 2**30 else f"{math.ceil(number / 2**20)} MiB"


def _download(subject: str, what: str, size: int, option: str) -> Finding:
    """What is not here yet, and whether it can be put where it is to lie."""
    text = f"{what} is to be downloaded into {printable(cache_folder())} ({size / 1e6:.0f} MB)"
    if problem := _problem_with(cache_folder(), size):
        remedy = f"name another folder with $GREEDYHASH_CACHE, or a copy with {option}"
        return Finding(FAULT, subject, f"{text}: {problem}", remedy)
    return Finding(
        WARNING, subject, text, f"benchmark.py downloads it once; without a network name a copy with {option}"
    )


def look_at_data(
    choice: str | None, recipe: Recipe, label: str, progress: Progress
) -> tuple[Finding, Recipe, cifar.Dataset | None]:
    """The images that a benchmark would train on, and the recipe for them.

    None where they are to be downloaded, or do not fit the recipe.
    """
    try:
        data = data_at_hand(choice, recipe.preset)
    except UserError as error:
        return Finding(FAULT, "data", str(error), "name the images with --data"), recipe, None
    if data is None:
        return _download("data", "CIFAR-10", _DATA_BYTES, "--data"), recipe, None
    try:
        known, dataset = with_data(recipe, data, label, progress)
        problems = problems_of(dataset, cifar.split_for(dataset, known, data), contents(dataset.pixels))
    except UserError as error:
        return Finding(FAULT, "data", str(error), "name other images with --data"), recipe, None
    text = f"{len(dataset.labels)} images of {dataset.name}, {printable(data)}"
    if problems:
        remedy = "name other images with --data, or train on them all the same"
        return Finding(WARNING, "data", f"{text}: {'; '.join(problems)}", remedy), known, dataset
    return Finding(OK, "data", text), known, dataset


def look_at_weights(choice: str | None, recipe: Recipe, workers: Mapping[str, Worker], usable: set[str]) -> Finding:
    """The weights that AlexNet would start from; only the ``usable`` framework that has torchvision can fetch them."""
    choice = choice or recipe.backbone
    if choice == "none":
        return Finding(OK, "weights", "random ones, by the preset or --backbone-weights")
    if must_be_fetched(choice):
        if HAS_TORCHVISION not in usable:
            text = f"torchvision's AlexNet is to be downloaded, which needs {FRAMEWORKS[HAS_TORCHVISION].title}"
            return Finding(FAULT, "weights", text, "install it, or name a copy with --backbone-weights")
        return _download("weights", "torchvision's AlexNet", _WEIGHTS_BYTES, "--backbone-weights")
    try:
        recipe, _ = read_backbone(choice, recipe, workers)
    except UserError as error:
        return Finding(FAULT, "weights", str(error), "name another file with --backbone-weights")
    return Finding(OK, "weights", f"{printable(choice)}: {', '.join(recipe.backbone_layers)}")
