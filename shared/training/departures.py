"""Whether a run may stand beside the published numbers: how its recipe differs from the published protocol."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

from shared.config.optimizers import OPTIMIZERS
from shared.config.protocols import CHANGES, LISTED, Protocol
from shared.config.recipe import CIFAR10_II, IMAGENET_100, PRESETS, Recipe
from shared.network.alexnet import RELU_LAYERS
from shared.system.words import listed

CIFAR10_I = "CIFAR-10 (I)"
_TRAIN_OF_II = 50_000  # the official training files
# what may differ between a run and the published ones: bookkeeping, and how often the run is scored
_FREE_FIELDS = {
    "margin",
    "preset",
    "bits",
    "seed",
    "eval_every",
    "dropout",
    "precision",
    "kernels",
    "data_sha256",
    "split_sha256",
    "backbone_sha256",
    "class_names",
}
_DATA = {"cifar10": "CIFAR-10", "custom": "other images"}
# how a setting and its value are said, where its name and the value do not say it
_IN_WORDS = {
    "dataset": ("", ""),
    "epochs": ("", " epochs"),
    "input_px": ("", " px"),
    "pooled_px": ("pooled to ", " px"),
    "hidden_units": ("", " hidden units"),
    "batch_size": ("batch ", ""),
    "optimizer": ("", ""),
    "lr_drop_epoch": ("learning rate lowered after ", " epochs"),
    "lr_drop_factor": ("learning rate lowered by x", ""),
    "listed_train": ("", " training images"),
    "num_classes": ("", " classes"),
    "queries_per_class": ("", " queries a class"),
    "train_per_class": ("", " training images a class"),
    "penalty_weight": ("quantization penalty ", ""),
    "width": ("width x", ""),
    "store_px": ("pictures stored at ", " px"),
}
# settings of the split -> the field of its rule
_IN_RULE = dict(zip(CHANGES, Protocol._fields, strict=True))
_PRETRAINED = ("backbone", "backbone_layers")
# what is published of it and no setting here gives
_AUGMENTATION = "no random crops and flips of the training images"


class Experiment(NamedTuple):
    """An experiment of the paper: its ``title``, its published ``recipe``, and what no run here has of it, in words."""

    title: str
    recipe: Recipe
    missing: str = ""


def experiment_of(recipe: Recipe) -> Experiment:
    """The experiment that ``recipe`` repeats or is compared with: CIFAR-10 (I) where it is none of the others.

    CIFAR-10 is known by its content; images of a run of the preset imagenet100 are ImageNet-100 by its user's word.
    """
    if (recipe.dataset, recipe.protocol) == (PRESETS["paper"].dataset, LISTED):
        return Experiment("CIFAR-10 (II)", _published(CIFAR10_II, listed_train=_TRAIN_OF_II))
    if (recipe.preset, recipe.protocol, recipe.num_classes) == (IMAGENET_100, LISTED, 100):
        return Experiment("ImageNet-100", _published(IMAGENET_100, listed_train=recipe.listed_train), _AUGMENTATION)
    return Experiment(CIFAR10_I, _published("paper"))


def is_published_data(recipe: Recipe) -> bool:
    """Whether data and split are those of the experiment."""
    published = experiment_of(recipe).recipe
    names = ("dataset", "protocol", "listed_train")
    return all(getattr(recipe, name) == getattr(published, name) for name in names)


def departures(recipe: Recipe) -> list[str]:
    """The settings in which a recipe differs from those published of its experiment, the epochs aside.

    "augmentation" is no setting, and stands for what runs here have not.
    """
    missing = ["augmentation"] if experiment_of(recipe).missing else []
    return missing + [name for name in _differing(recipe) if name != "epochs"]


def departures_in_words(recipe: Recipe) -> list[str]:
    """Every difference from what was published of the recipe's experiment, value against value.

    >>> departures_in_words(dataclasses.replace(PRESETS["cpu"], backbone_layers=RELU_LAYERS[:5]))
    ['5 epochs instead of 50', 'fc6 and fc7 random instead of ImageNet']
    """
    names = _differing(recipe)
    # data and length first, in which most runs differ
    first = [name for name in ("dataset", "epochs") if name in names]
    others = [name for name in names if name not in (*first, *_PRETRAINED)]
    words = [_in_words(name, recipe) for name in (*first, *others)]
    words += filter(None, [experiment_of(recipe).missing])
    return words + ([_start_in_words(recipe)] if set(_PRETRAINED) & set(names) else [])


def _differing(recipe: Recipe) -> list[str]:
    published = experiment_of(recipe).recipe
    fields = {field.name for field in dataclasses.fields(Recipe)} - _FREE_FIELDS
    return sorted(name for name in fields if getattr(recipe, name) != getattr(published, name))


def _published(preset: str, **data: int) -> Recipe:
    return dataclasses.replace(PRESETS[preset], backbone_layers=RELU_LAYERS, **data)


def _in_words(name: str, recipe: Recipe) -> str:
    values = [_value(name, of) for of in (recipe, experiment_of(recipe).recipe)]
    before, after = _IN_WORDS.get(name, (f"{name.replace('_', ' ')} ", ""))
    if name == "epochs" and recipe.epochs == 1:
        after = " epoch"
    return f"{before}{values[0]}{after} instead of {values[1]}"


def _value(name: str, recipe: Recipe) -> str:
    # of a split what it takes, whether the protocol or a setting of its own says so
    value = getattr(recipe.rule, _IN_RULE[name]) if name in _IN_RULE else getattr(recipe, name)
    if name == "dataset":
        return _DATA.get(value, value)
    if name == "optimizer":
        return OPTIMIZERS[value]
    if name == "store_px" and not value:
        return "the network's input"
    if isinstance(value, tuple):
        return listed(value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _start_in_words(recipe: Recipe) -> str:
    """Which layers do not start from ImageNet's."""
    random = [layer for layer in RELU_LAYERS if layer not in recipe.backbone_layers]
    parts = [f"{_layers(recipe.backbone_layers)} from a weights file"] if recipe.backbone == "file" else []
    parts += [f"{_layers(random)} random"] if random else []
    return f"{', '.join(parts)} instead of ImageNet"


def _layers(names: Sequence[str]) -> str:
    return "all layers" if len(names) == len(RELU_LAYERS) else listed(names)
