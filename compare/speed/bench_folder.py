"""A folder like a run's, on which a worker's verb ``bench`` times the phases of a recipe."""

import dataclasses
from pathlib import Path

import numpy as np

from shared.checkpoint import weights
from shared.config.protocols import CHANGES, PROTOCOLS, Protocol
from shared.config.recipe import Recipe
from shared.data import cifar
from shared.data.collection import Reading
from shared.network.initial import initial_weights
from shared.system.progress import Progress
from shared.training.runs import Run


def prepare(recipe: Recipe, data: str | None, device: str, folder: Path) -> tuple[Recipe, list[str]]:
    """Fill ``folder``; return the recipe with its data, and the options of ``bench``.

    ``data`` None is noise, whose values do not matter for speed. All weights start random, and images other than the
    digits are split as CIFAR-10 (I), or by fewer a class where there are fewer.
    """
    data = data or str(_noise(folder / "noise.npz"))
    dataset = cifar.load(data, reading=Reading.of(recipe, Progress()))
    protocol = recipe.protocol if data == cifar.DIGITS else "cifar10-1"
    recipe = dataclasses.replace(
        recipe,
        protocol=protocol,
        listed_train=0,
        **dict(zip(CHANGES, _counts(dataset, PROTOCOLS[protocol]), strict=True)),
        dataset=dataset.name,
        num_classes=dataset.num_classes,
        class_names=dataset.class_names,
        data_sha256=dataset.digest(),
        backbone="none",
    )
    recipe = dataclasses.replace(recipe, split_sha256=cifar.split_for(dataset, recipe, data).digest())
    initial = folder / "initial.safetensors"
    weights.save(initial, initial_weights(recipe, {}), {})
    Run(folder).prepare(recipe)
    options = {"--run": folder, "--initial-weights": initial, "--data": data, "--device": device}
    return recipe, [str(argument) for pair in options.items() for argument in pair]


def _noise(path: Path) -> Path:
    """As many 32 x 32 images as CIFAR-10 (I) needs for its queries and its training set."""
    generator = np.random.RandomState(0)
    labels = {"train": np.repeat(np.arange(10), 500), "test": np.repeat(np.arange(10), 100)}
    arrays = {f"y_{name}": values for name, values in labels.items()}
    arrays |= {f"x_{name}": generator.randint(0, 256, (len(y), 32, 32, 3), np.uint8) for name, y in labels.items()}
    np.savez(path, **arrays)
    return path


def _counts(dataset: cifar.Dataset, rule: Protocol) -> tuple[int, int, str]:
    """Queries and training images of each class where there are too few for ``rule``; 0, and "" for the database."""
    smallest = int(np.bincount(dataset.labels).min())
    if smallest >= rule.query + rule.train:
        return 0, 0, ""
    query = max(1, smallest // 6)
    return query, max(1, smallest - query), ""
