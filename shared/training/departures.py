"""Whether a run may stand beside the published numbers: how its recipe differs from the published protocol."""

import dataclasses

from shared.config.recipe import PRESETS, Recipe
from shared.network.alexnet import RELU_LAYERS

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


def departures(recipe: Recipe) -> list[str]:
    """The settings in which a recipe differs from the published CIFAR-10 (I) protocol, the epochs aside."""
    published = dataclasses.replace(PRESETS["paper"], backbone_layers=RELU_LAYERS)
    fields = {field.name for field in dataclasses.fields(Recipe)} - _FREE_FIELDS - {"epochs"}
    return sorted(name for name in fields if getattr(recipe, name) != getattr(published, name))
