"""The published numbers, and which runs they may stand beside."""

import csv
from importlib.resources import files
from typing import NamedTuple

from shared.config.recipe import PRESETS, Recipe
from shared.training.departures import departures

# package data: an installed package has no results/, whose reference/ holds the same files
_REFERENCE = files("compare.tables") / "reference"
_BITS = ("12", "24", "32", "48")
PAPER = "paper"
_IMPLEMENTATIONS = {
    "published PyTorch": "paddle_greedyhash: PyTorch rerun",
    "published Paddle": "paddle_greedyhash: Paddle 2.2.2",
}
_LAST, _BEST = "last", "best"
# the epoch whose mAP it is -> its name in published_map.csv
_SELECTIONS = {_LAST: "last epoch (50)", _BEST: "best epoch"}
# what these tables leave open
OPEN_DIFFERENCE = (
    "the 0.009 between the published best epochs at 12 bits (0.798 in Paddle, 0.789 in PyTorch, one run each)"
)
NOTE = (
    "paper: Su et al., NeurIPS 2018. published: tables and logs of paddle_greedyhash, one run each "
    "(results/reference/). argsort: ours with ties in the order of NumPy's default sort, as published; it "
    "depends on the processor."
)
# how figures draw them: a colour's name in compare.page.figures, and settings of matplotlib's lines
PUBLISHED_STYLES = {
    PAPER: ("grey", {"ls": "none", "marker": "D", "ms": 6, "mfc": "none"}),
    "published PyTorch": ("green", {"ls": ":", "marker": "^", "lw": 1.5, "ms": 5, "mfc": "none"}),
    "published Paddle": ("pink", {"ls": "-.", "marker": "v", "lw": 1.5, "ms": 5, "mfc": "none"}),
}
_CURVES = {"published PyTorch": "pytorch_rerun", "published Paddle": "paddle_greedyhash"}


class Published(NamedTuple):
    """A published row: its ``source``, whose ``epoch`` it is (the paper does not say: ""), bits -> mAP as printed."""

    source: str
    epoch: str
    maps: dict[int, str]

    @property
    def heading(self) -> str:
        """Over its column of a table."""
        return f"{self.source} {self.epoch}".rstrip()

    @property
    def label(self) -> str:
        """In a figure of last epochs, where only another epoch than the last of all is named."""
        return self.source if self.epoch == _LAST else self.heading


def published_rows(recipe: Recipe) -> list[Published]:
    """What may stand beside a suite with this recipe: nothing unless its protocol is the published one.

    A shorter run is set beside the published curves at its own last epoch.
    """
    if departures(recipe):
        return []
    if recipe.epochs == PRESETS["paper"].epochs:
        return _final_rows()
    curves = [row for row in _read("published_curves.csv") if int(row["epoch"]) == recipe.epochs]
    return [
        Published(
            name,
            f"at epoch {recipe.epochs}",
            {int(row["bits"]): row["map"] for row in curves if row["source"] == source},
        )
        for name, source in _CURVES.items()
    ]


def published_columns(recipe: Recipe) -> dict[str, dict[int, str]]:
    """Heading -> {bits: mAP as printed} of ``published_rows``."""
    return {row.heading: row.maps for row in published_rows(recipe)}


def published_last(recipe: Recipe) -> list[Published]:
    """Those of ``published_rows`` that are of the last epoch, or of the paper."""
    return [row for row in published_rows(recipe) if row.epoch != _BEST]


def _final_rows() -> list[Published]:
    rows = {
        (row["source"], row["selection"]): {int(bits): row[bits] for bits in _BITS}
        for row in _read("published_map.csv")
    }
    paper = Published(PAPER, "", rows["paper (Su et al., NeurIPS 2018)", "as published"])
    implementations = [
        Published(name, epoch, rows[source, selection])
        for name, source in _IMPLEMENTATIONS.items()
        for epoch, selection in _SELECTIONS.items()
    ]
    return [paper, *implementations]


def published_curves(recipe: Recipe, bits: int) -> dict[str, dict[str, list[float]]]:
    """Label -> {"epoch", "lr", "train_loss", "map": one value per epoch}, as far as ``recipe`` goes.

    Empty unless the recipe's protocol is the published one.
    """
    if departures(recipe):
        return {}
    rows = [row for row in _read("published_curves.csv") if int(row["bits"]) == bits]
    rows = [row for row in rows if int(row["epoch"]) <= recipe.epochs]
    return {
        heading: {
            name: [float(row[name]) for row in rows if row["source"] == source]
            for name in ("epoch", "lr", "train_loss", "map")
        }
        for heading, source in _CURVES.items()
    }


def _read(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((_REFERENCE / name).read_text(encoding="utf-8").splitlines()))
