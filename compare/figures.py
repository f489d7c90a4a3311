"""Figures, drawn without a display; the same values give the same bytes."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from shared.curves import PrecisionRecall
from shared.files import atomic_path

# Okabe and Ito's colours, told apart with any colour vision
BLUE, ORANGE = "#0072B2", "#D55E00"
_STYLE = {"svg.hashsalt": "greedyhash", "font.size": 10, "axes.grid": True, "grid.alpha": 0.3}


def save_figure(figure: Figure, stem: Path) -> None:
    """Write ``stem``.png and ``stem``.svg atomically."""
    for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})):
        with mpl.rc_context(_STYLE), atomic_path(stem.with_suffix(suffix)) as temporary:
            figure.savefig(temporary, format=suffix[1:], dpi=150, metadata=metadata)


def precision_recall_figure(by_rank: PrecisionRecall, by_radius: PrecisionRecall, title: str) -> Figure:
    """Precision over recall after every rank, with the Hamming radii as points on the same axes."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(6, 4.5), layout="constrained")
        axes = figure.add_subplot(xlabel="recall", ylabel="precision", title=title, xlim=(0, 1.01), ylim=(0, 1.01))
        drawn = np.unique(np.geomspace(1, len(by_rank.recall), 2000).astype(int)) - 1
        axes.plot(by_rank.recall[drawn], by_rank.precision[drawn], color=BLUE, label="after each rank, expected")
        axes.plot(by_radius.recall, by_radius.precision, "o", color=ORANGE, ms=4, label="within each Hamming radius")
        axes.legend()
    return figure
