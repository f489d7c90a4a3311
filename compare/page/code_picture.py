"""The 2-D picture of codes by class, for the report and for evaluate.py."""

from collections.abc import Callable, Mapping

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from compare.page.figures import INK
from shared.scoring.code_quality import Projection

_HEIGHT, _PANEL, _MARGIN = 3.6, 2.8, 1.8
_AREA = 10.0
# so many colours a reader can tell apart; of more classes than twice as many, the names would cover the points
_COLOURS = "tab10"
_MOST_NAMED = 20


def code_picture(by_title: Mapping[str, Projection], name_of: Callable[[np.ndarray], str]) -> Figure:
    """A panel for each projection, its title above it and each class named at the middle of its points."""
    figure = Figure(figsize=(_MARGIN + _PANEL * len(by_title), _HEIGHT), layout="constrained")
    panels = figure.subplots(1, len(by_title), squeeze=False)[0]
    for axes, (title, projection) in zip(panels, by_title.items(), strict=True):
        _draw(axes, projection, name_of)
        axes.set_title(title, fontsize=10)
    return figure


def _draw(axes: Axes, projection: Projection, name_of: Callable[[np.ndarray], str]) -> None:
    unique, group = np.unique(projection.labels, axis=0, return_inverse=True)
    group = group.reshape(-1)
    colours = _colours(len(unique))
    # as pixels: thousands of points
    areas = _AREA * np.sqrt(projection.items)
    axes.scatter(*projection.points.T, areas, colours[group], alpha=0.6, linewidths=0, rasterized=True)
    for place, label in enumerate(unique if len(unique) <= _MOST_NAMED else ()):
        middle = np.average(projection.points[group == place], axis=0, weights=projection.items[group == place])
        style = {"color": INK, "ha": "center", "va": "center", "fontsize": 8, "fontweight": "bold"}
        axes.text(*middle, name_of(label), parse_math=False, clip_on=True, **style)  # a name may hold a $, or be long
    axes.margins(0.1)  # room for the names
    for set_label, number, share in zip((axes.set_xlabel, axes.set_ylabel), (1, 2), projection.explained, strict=True):
        set_label(f"component {number} ({share:.0%})")


def _colours(count: int) -> np.ndarray:
    """RGBA (count, 4)."""
    few = mpl.colormaps[_COLOURS]
    return few(np.arange(count)) if count <= few.N else mpl.colormaps["turbo"](np.linspace(0, 1, count))
