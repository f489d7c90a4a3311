"""The published numbers in the comparison table: beside the run's own, or apart where its settings are others."""

from collections.abc import Iterable

import pandas as pd

from compare.frameworks.records import FRAMEWORKS
from compare.tables.published import (
    PAPER,
    Published,
    published_apart,
    published_columns,
    published_ends,
)
from compare.tables.table_text import NOTHING, lengths, mean_text
from shared.config.recipe import LENGTHS, PRESETS, Recipe
from shared.training.departures import CIFAR10_I, departures_in_words, experiment_of, is_published_data

PUBLISHED_TITLE = "Published implementations, and ours with ties in the order of argsort, as they have them (mAP):"
_APART = "Published, other settings"
_SOURCES = (
    "paper: Su et al., NeurIPS 2018, at the end of its training, as quoted by paddle_greedyhash. published: tables and "
    "logs of paddle_greedyhash, one run each (results/reference/)."
)
_QUOTED = (
    "paper: Su et al., NeurIPS 2018, {title} at the end of its training, as quoted by DeepHash-pytorch, which has one "
    "length of it{doubt} (results/reference/)."
)
# experiment -> what is not sure of its quotation
_DOUBTS = {"ImageNet-100": " in a table headed 48 bits; that the images are ImageNet-100 is their user's word"}
_ARGSORT = "argsort: ours with ties in the order of NumPy's default sort, as published; it depends on the processor."


def published_cells(rows: pd.DataFrame, recipe: Recipe, planned_bits: list[int]) -> list[dict[str, str]]:
    """The published implementations beside ours by their rule for ties; no rows where the settings are others."""
    published = {name: of for name, of in published_columns(recipe).items() if name != PAPER}
    return [
        {"bits": str(bits)}
        | {name: of.get(bits, NOTHING) for name, of in published.items()}
        | {name: mean_text(values) for name, values in _by_argsort(rows[rows.bits == bits]).items()}
        for bits in lengths(rows, planned_bits)
        if published
    ]


def other_settings(rows: pd.DataFrame, recipe: Recipe, planned_bits: list[int]) -> dict:
    """``title`` and ``rows`` of what was published of the run's experiment in other settings.

    Digits stand above what the published protocol gives. Empty where nothing was published of the run's data.
    """
    if recipe.dataset == PRESETS["demo"].dataset:
        title = f"{_APART}: what to expect from --preset paper, which trains on {CIFAR10_I} (mAP):"
        return {"title": title, "rows": _cells(published_ends(), LENGTHS)}
    if not (apart := published_apart(recipe)):
        return {}
    title = f"{_APART}: here {'; '.join(departures_in_words(recipe))} ({recipe.measure}):"
    return {"title": title, "rows": _cells(apart, lengths(rows, planned_bits))}


def published_notes(recipe: Recipe) -> list[str]:
    """Where the published numbers come from, and why there are none of the run's own settings."""
    words = "; ".join(departures_in_words(recipe))
    title = experiment_of(recipe).title
    if is_published_data(recipe) and title != CIFAR10_I:
        return [_QUOTED.format(title=title, doubt=_DOUBTS.get(title, ""))]
    if is_published_data(recipe):
        return [f"{_SOURCES} {_ARGSORT}" if published_columns(recipe) else _SOURCES]
    of_others = [_SOURCES] if recipe.dataset == PRESETS["demo"].dataset else []
    return [f"No published numbers of these settings: {words}.", *of_others]


def _cells(published: Iterable[Published], bits_of_rows: Iterable[int]) -> list[dict[str, str]]:
    return [
        {"bits": str(bits)} | {row.heading: row.maps.get(bits, NOTHING) for row in published} for bits in bits_of_rows
    ]


def _by_argsort(rows: pd.DataFrame) -> dict[str, pd.Series]:
    return {
        f"{framework.short} argsort {kind}": rows[rows.framework == framework.key][f"map_argsort_{kind}"]
        for framework in FRAMEWORKS.values()
        for kind in ("last", "best")
    }
