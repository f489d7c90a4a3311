"""The study of rounding as a figure: how fast two trainings part, and how far their mAPs end apart."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from compare.page.curves import Picture
from compare.page.figures import BLUE, GREEN, GREY, ORANGE
from compare.suite.rounding import FLOOR
from shared.config.kernels import NATIVE, SHARED

# a distance of 0 has no place on a logarithmic axis: trainings that are the same to the last bit are not drawn there
_LINES = {FLOOR[0]: (GREY, "-", 2.4), NATIVE: (ORANGE, "--", 2.0)}
_FAMILY = (GREEN, ":", 1.0)


def rounding_picture(study: Mapping) -> Picture:
    """``study`` is an entry of the table's ``rounding``: a line and a row of points for each of its ``points``."""
    cases = study["points"]
    figure = Figure(figsize=(8.0, 1.6 + 0.26 * len(cases)), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.2))
    _draw_growth(left, cases)
    _draw_differences(right, cases, study["measure"])
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    texts = [f"{case['title']} {case['rms']:.4f}" for case in cases]
    alt = f"Root mean square of the {study['measure']} differences: {'; '.join(texts)}."
    return Picture(f"rounding-{study['bits']}", figure, f"What rounding does, {study['bits']} bits", alt)


def _draw_growth(axes: Axes, cases: Sequence[Mapping]) -> None:
    """The median distance of all weights after every measured step, a line for each case that parts at all."""
    for case in cases:
        steps = sorted({int(step) for of in case["distances"] for step in of})
        medians = [np.median([of[str(step)] for of in case["distances"] if str(step) in of]) for step in steps]
        if case["case"] == SHARED or not any(medians):
            continue
        colour, line, width = _LINES.get(case["case"], _FAMILY)
        label = case["title"] if case["case"] in _LINES else "one family alone native"
        known = label in axes.get_legend_handles_labels()[1]
        drawn = np.where(np.array(medians) > 0, medians, np.nan)
        axes.plot(steps, drawn, color=colour, ls=line, lw=width, label=None if known else label)
    axes.set(xscale="log", yscale="log", xlabel="training step", ylabel="relative distance of all weights")


def _draw_differences(axes: Axes, cases: Sequence[Mapping], measure: str) -> None:
    """Every difference as a point, and each case's root mean square as a bar to both sides of 0."""
    places = np.arange(len(cases))[::-1]
    floor = next(case["rms"] for case in cases if case["case"] == FLOOR[0])
    axes.axvspan(-floor, floor, color=GREY, alpha=0.2, lw=0)
    for place, case in zip(places, cases, strict=True):
        colour = _LINES.get(case["case"], (BLUE,))[0]
        axes.plot(case["differences"], [place] * len(case["differences"]), "o", color=colour, ms=4, alpha=0.6)
        axes.plot([-case["rms"], case["rms"]], [place, place], "|", color=colour, ms=12, mew=2)
    axes.axvline(0, color=GREY, lw=1)
    axes.set_yticks(places, [case["title"] for case in cases])
    axes.set(xlabel=f"{measure} difference (|: rms; band: the floor's)")
