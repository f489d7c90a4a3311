"""The images of a suite, and what its recipe says of them."""

import dataclasses
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from compare.suite.run_folders import begun_runs
from shared.config.protocols import LISTED
from shared.config.recipe import IMAGENET_100, PRESETS, Recipe
from shared.data import cifar
from shared.data.cifar import Dataset, Split
from shared.data.collection import Reading
from shared.data.identity import CIFAR10
from shared.data.leaks import contents, leak_text
from shared.system.errors import UserError, printable
from shared.system.progress import Progress


def data_at_hand(choice: str | None, preset: str) -> str | None:
    """The images that ``--data`` names, or that are here without it; None where they are to be downloaded first."""
    if preset == "demo" and choice is None:
        return cifar.DIGITS
    if choice not in (None, "download"):
        return choice
    if preset == IMAGENET_100:
        raise UserError(
            f"--preset {IMAGENET_100}: expected --data with a folder of train.txt, test.txt and database.txt, received "
            "none; its images are downloaded by no command"
        )
    from shared.data.download import downloaded_cifar10  # requests and pooch

    archive = downloaded_cifar10()
    return archive and str(archive)


def data_or_download(choice: str | None, preset: str, progress: Progress) -> str:
    """The images that ``--data`` names, or those of the preset, downloaded if need be."""
    if (preset == "demo" and choice is None) or choice not in (None, "download") or preset == IMAGENET_100:
        return data_at_hand(choice, preset)
    from shared.data.download import fetch_cifar10

    return str(fetch_cifar10(progress))


def with_data(
    recipe: Recipe, data: str, label: str, progress: Progress, skip_unreadable: bool = False
) -> tuple[Recipe, Dataset]:
    """The images in ``data``, which their user calls ``label``, and the recipe for them; their notes are passed on.

    List files are taken with the split that they are. Raises UserError like ``cifar.load``, and for a protocol that
    does not go with the images.
    """
    dataset = cifar.load(data, label, Reading.of(recipe, progress, skip_unreadable))
    for note in dataset.notes:
        progress.note(printable(note))
    if dataset.is_list and recipe.protocol != LISTED:
        if recipe.protocol != PRESETS[recipe.preset].protocol:
            raise UserError(f"{data}: list files are a split: expected --protocol {LISTED}, received {recipe.protocol}")
        recipe = dataclasses.replace(recipe, protocol=LISTED)
    if recipe.protocol == LISTED:
        recipe = dataclasses.replace(recipe, listed_train=len(cifar.split_for(dataset, recipe, data).train))
    known = {"dataset": dataset.name, "data_sha256": dataset.digest()}
    known |= {"num_classes": dataset.num_classes, "class_names": dataset.class_names}
    return dataclasses.replace(recipe, **known), dataset


def look_at_splits(
    recipe: Recipe, dataset: Dataset, data: str, seeds: Sequence[int], strict: bool, progress: Progress
) -> None:
    """Note, seed by seed, how many queries are also images of database or training set; UserError if ``strict``.

    And how many are of a class of which these have no image.
    """
    content = contents(dataset.pixels)
    for seed in seeds:
        split = cifar.split_for(dataset, dataclasses.replace(recipe, seed=seed), data)
        if strict and (leak := leak_text(dataset, split, content)):
            raise UserError(f"{data}: seed {seed}: {leak}; leave out --strict-split to train on it all the same")
        for text in problems_of(dataset, split, content):
            progress.note(f"note: {printable(data)}: seed {seed}: {text}")


def problems_of(dataset: Dataset, split: Split, content: np.ndarray) -> list[str]:
    """A sentence for each thing that makes the scores of a split mislead; ``content``: what ``contents`` says."""
    return [*_missing_classes(dataset, split), *filter(None, [leak_text(dataset, split, content)])]


def _missing_classes(dataset: Dataset, split: Split) -> Iterator[str]:
    classes = dataset.labels[split.query]
    for name, others, so in (
        ("database", split.database, "they count as 0"),
        ("training set", split.train, "nothing is learned of them"),
    ):
        if missing := int(np.isin(classes, dataset.labels[others], invert=True).sum()):
            yield f"{missing} of {len(classes)} queries are of a class of which the {name} has no image: {so}"


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
