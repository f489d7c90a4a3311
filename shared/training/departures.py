"""Whether a run may stand beside the published numbers: how its recipe differs from the published protocol."""

import dataclasses
from collections.abc import Sequence

from shared.config.recipe import PRESETS, Recipe
from shared.network.alexnet import RELU_LAYERS
from shared.system.words import listed

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
    "lr_drop_epoch": ("learning rate lowered after ", " epochs"),
    "lr_drop_factor": ("learning rate lowered by x", ""),
    "penalty_weight": ("quantization penalty ", ""),
    "width": ("width x", ""),
    "store_px": ("pictures stored at ", " px"),
}
_PRETRAINED = ("backbone", "backbone_layers")


def departures(recipe: Recipe) -> list[str]:
    """The settings in which a recipe differs from the published CIFAR-10 (I) protocol, the epochs aside."""
    return [name for name in _differing(recipe) if name != "epochs"]


def departures_in_words(recipe: Recipe) -> list[str]:
    """Every difference from the published CIFAR-10 (I) protocol, value against value.

    >>> departures_in_words(dataclasses.replace(PRESETS["cpu"], backbone_layers=RELU_LAYERS[:5]))
    ['5 epochs instead of 50', 'fc6 and fc7 random instead of ImageNet']
    """
    names = _differing(recipe)
    # data and length first, in which most runs differ
    first = [name for name in ("dataset", "epochs") if name in names]
    others = [name for name in names if name not in (*first, *_PRETRAINED)]
    words = [_in_words(name, recipe) for name in (*first, *others)]
    return words + ([_start_in_words(recipe)] if set(_PRETRAINED) & set(names) else [])


def _differing(recipe: Recipe) -> list[str]:
    published = _published()
    fields = {field.name for field in dataclasses.fields(Recipe)} - _FREE_FIELDS
    return sorted(name for name in fields if getattr(recipe, name) != getattr(published, name))


def _published() -> Recipe:
    return dataclasses.replace(PRESETS["paper"], backbone_layers=RELU_LAYERS)


def _in_words(name: str, recipe: Recipe) -> str:
    values = [_value(name, getattr(of, name)) for of in (recipe, _published())]
    before, after = _IN_WORDS.get(name, (f"{name.replace('_', ' ')} ", ""))
    if name == "epochs" and recipe.epochs == 1:
        after = " epoch"
    return f"{before}{values[0]}{after} instead of {values[1]}"


def _value(name: str, value: object) -> str:
    if name == "dataset":
        return _DATA.get(value, value)
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
