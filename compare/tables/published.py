"""The published numbers, and which of them stand beside a run: of its own settings, or of others."""

import csv
from importlib.resources import files
from typing import NamedTuple

from shared.config.recipe import PRESETS, Recipe
from shared.training.departures import CIFAR10_I, departures, experiment_of, is_published_data

# package data: an installed package has no results/, whose reference/ holds the same files
_REFERENCE = files("compare.tables") / "reference"
PAPER = "paper"
_SOURCES = {
    PAPER: "paper (Su et al., NeurIPS 2018)",
    "published PyTorch": "paddle_greedyhash: PyTorch rerun",
    "published Paddle": "paddle_greedyhash: Paddle 2.2.2",
}
# how long the published runs of CIFAR-10 (I) took
_END = PRESETS["paper"].epochs
_LAST, _BEST = "last", "best"
# what these tables leave open
OPEN_DIFFERENCE = (
    "the 0.009 between the published best epochs at 12 bits (0.798 in Paddle, 0.789 in PyTorch, one run each)"
)
# how figures draw them: a colour's name in compare.page.figures, and settings of matplotlib's lines
PUBLISHED_STYLES = {
    PAPER: ("grey", {"ls": "none", "marker": "D", "ms": 6, "mfc": "none"}),
    "published PyTorch": ("green", {"ls": ":", "marker": "^", "lw": 1.5, "ms": 5, "mfc": "none"}),
    "published Paddle": ("pink", {"ls": "-.", "marker": "v", "lw": 1.5, "ms": 5, "mfc": "none"}),
}
_CURVES = {"published PyTorch": "pytorch_rerun", "published Paddle": "paddle_greedyhash"}


class Published(NamedTuple):
    """A published row: its ``source``, whose ``epoch`` it is (the paper has its end alone: ""), bits -> mAP as printed.

    ``other_settings``: the run that it stands beside departs from the settings of this row.
    """

    source: str
    epoch: str
    maps: dict[int, str]
    other_settings: bool = False

    @property
    def heading(self) -> str:
        """Over its column of a table."""
        return f"{self.source} {self.epoch}".rstrip()

    @property
    def label(self) -> str:
        """In a figure of last epochs, where only another epoch than the last of all is named."""
        name = self.source if self.epoch == _LAST else self.heading
        return f"{name}, other settings" if self.other_settings else name


def published_rows(recipe: Recipe) -> list[Published]:
    """What was published of a suite's very settings: nothing unless its protocol is a published one.

    A shorter run of CIFAR-10 (I) is set beside the published curves at its own last epoch.
    """
    experiment = experiment_of(recipe)
    end = experiment.recipe.epochs
    if departures(recipe) or recipe.epochs > end:
        return []
    if recipe.epochs < end:
        return _at_epoch(recipe.epochs) if experiment.title == CIFAR10_I else []
    return [paper_row(experiment.title), *(_implementations() if experiment.title == CIFAR10_I else [])]


def published_apart(recipe: Recipe) -> list[Published]:
    """What else was published of the experiment, in other settings than those of this run of it; [] for other data.

    The published implementations stand at the run's own last epoch, or at their end; the paper gives its end alone.
    """
    if not is_published_data(recipe):
        return []
    title = experiment_of(recipe).title
    shown = {row.source for row in published_rows(recipe)}
    rows = [paper_row(title), *(_at_epoch(min(recipe.epochs, _END)) if title == CIFAR10_I else [])]
    return [row._replace(other_settings=True) for row in rows if row.source not in shown]


def published_ends() -> list[Published]:
    """The paper, and the last epoch of each published implementation: what to expect of the published protocol."""
    return [paper_row(CIFAR10_I), *(_from_map(name, _LAST) for name in _CURVES)]


def published_columns(recipe: Recipe) -> dict[str, dict[int, str]]:
    """Heading -> {bits: mAP as printed} of ``published_rows``."""
    return {row.heading: row.maps for row in published_rows(recipe)}


def published_last(recipe: Recipe) -> list[Published]:
    """Those that are of the last epoch, or of the paper: of the run's own settings and of others."""
    own = [row for row in published_rows(recipe) if row.epoch != _BEST]
    return [*own, *published_apart(recipe)]


def published_curves(recipe: Recipe, bits: int) -> dict[str, dict[str, list[float]]]:
    """Source -> {"epoch", "lr", "train_loss", "map": one value per epoch}, as far as ``recipe`` goes.

    Empty unless the run is one of CIFAR-10 (I).
    """
    if experiment_of(recipe).title != CIFAR10_I or not is_published_data(recipe):
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


def paper_row(title: str) -> Published:
    """The paper's row of the experiment called ``title``, as far as it is quoted."""
    return _from_map(PAPER, "", title)


def _implementations() -> list[Published]:
    return [_from_map(name, epoch) for name in _CURVES for epoch in (_LAST, _BEST)]


def _from_map(name: str, epoch: str, title: str = CIFAR10_I) -> Published:
    """A row of published_map.csv; the paper's is that of its last epoch."""
    wanted = {"data": title, "source": _SOURCES[name], "selection": f"{epoch or _LAST} epoch"}
    (row,) = (row for row in _read("published_map.csv") if wanted.items() <= row.items())
    return Published(name, epoch, {int(bits): row[bits] for bits in row if bits.isdigit() and row[bits]})


def _at_epoch(epoch: int) -> list[Published]:
    curves = [row for row in _read("published_curves.csv") if int(row["epoch"]) == epoch]
    return [
        Published(
            name,
            f"at epoch {epoch}",
            {int(row["bits"]): row["map"] for row in curves if row["source"] == source},
        )
        for name, source in _CURVES.items()
    ]


def _read(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((_REFERENCE / name).read_text(encoding="utf-8").splitlines()))
