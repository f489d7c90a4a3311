"""Figures, drawn without a display; the same values give the same bytes."""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from shared.scoring.curves import PrecisionRecall
from shared.system.files import atomic_path

# Okabe and Ito's colours, distinguishable with any colour vision
COLOURS = {"blue": "#0072b2", "orange": "#d55e00", "green": "#009e73", "pink": "#cc79a7", "grey": "#767676"}
BLUE, ORANGE, GREEN, PINK, GREY = COLOURS.values()
# black and white in a file, the page's own colours in a page
INK, PAPER = "#010203", "#fdfeff"
_INK_SETTINGS = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
_PAPER_SETTINGS = ("figure.facecolor", "axes.facecolor", "savefig.facecolor")
_STYLE = {
    "svg.hashsalt": "greedyhash",
    "svg.fonttype": "none",
    "font.size": 10,
    "axes.grid": True,
    "grid.alpha": 0.3,
    **dict.fromkeys(_INK_SETTINGS, INK),
    **dict.fromkeys(_PAPER_SETTINGS, PAPER),
}
# of a figure, in inches
SIZE = (4.6, 3.3)
_LEGEND_LINE = 0.22
# a longer name has a line of the legend to itself
_LONG_NAME = 22
# the metadata that would differ from one time to the next
FORMATS = {".png": {"Software": None}, ".svg": {"Date": None}}


@contextmanager
def house_style() -> Iterator[None]:
    """The look that all figures share, while the block runs."""
    with mpl.rc_context(_STYLE):
        yield


def new_figure(size: tuple[float, float] = SIZE, **axes: object) -> tuple[Figure, Axes]:
    """An empty figure of ``size`` in inches with one pair of axes, of the settings in ``axes``."""
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.add_subplot(**axes)


def legend_above(figure: Figure, axes: Axes) -> None:
    """Name the lines above the axes, where no name hides a point; the figure grows by what the names take."""
    handles, labels = axes.get_legend_handles_labels()
    if not labels:
        return
    columns = 1 if max(map(len, labels)) > _LONG_NAME else 2
    figure.set_figheight(figure.get_figheight() + _LEGEND_LINE * math.ceil(len(labels) / columns))
    figure.legend(handles, labels, loc="outside upper center", ncols=columns)


def save_figure(figure: Figure, stem: Path) -> None:
    """Write ``stem``.png and ``stem``.svg atomically."""
    for suffix in FORMATS:
        write_figure(figure, stem.parent / f"{stem.name}{suffix}")


def write_figure(figure: Figure, file: Path) -> None:
    """Write ``file`` atomically, in the form that its suffix names: one of FORMATS."""
    with house_style(), atomic_path(file) as temporary, warnings.catch_warnings():
        # names in scripts that the font lacks: boxes in a .png, and right in a page, which has fonts of its own
        warnings.filterwarnings("ignore", r"Glyph .* missing from font", UserWarning)
        if engine := figure.get_layout_engine():
            engine.execute(figure)
            figure.set_layout_engine(None)  # with any engine savefig draws twice; the place of everything is settled
        figure.savefig(temporary, format=file.suffix[1:], dpi=150, metadata=FORMATS[file.suffix])


def precision_recall_figure(by_rank: PrecisionRecall, by_radius: PrecisionRecall, title: str) -> Figure:
    """Precision over recall after every rank, with the Hamming radii as points on the same axes."""
    with house_style():
        figure, axes = new_figure(
            (6, 4.3), xlabel="recall", ylabel="precision", title=title, xlim=(0, 1.01), ylim=(0, 1.01)
        )
        drawn = np.unique(np.geomspace(1, len(by_rank.recall), 2000).astype(int)) - 1
        axes.plot(by_rank.recall[drawn], by_rank.precision[drawn], color=BLUE, label="after each rank, expected")
        axes.plot(by_radius.recall, by_radius.precision, "o", color=ORANGE, ms=4, label="within each Hamming radius")
        legend_above(figure, axes)
    return figure
