"""The figure of the verdict: paired differences seed by seed, their mean and 90 % interval, and the margin."""

import numpy as np

from compare.frameworks.records import Pair, pairs
from compare.page.curves import Picture
from compare.page.data import SuiteData
from compare.page.figures import BLUE, GREEN, GREY, INK, new_figure
from compare.stats.equivalence import overall
from compare.stats.pairs import decidable, paired_differences

_SEED_SHIFT = 0.18


def differences(suite_data: SuiteData, pair: Pair) -> Picture | None:
    """A pair's differences of the last mAP at every length; None unless a length has several seeds.

    A mean and its interval stand only where every planned pair is finished, since only then there is a verdict.
    """
    by_bits = paired_differences((run_data.result for run_data in suite_data.finished), pair)
    if not any(len(by_seed) > 1 for by_seed in by_bits.values()):
        return None
    equivalence_margin, judged = suite_data.recipe.margin, decidable(by_bits, suite_data.grid)
    verdicts = overall(judged, equivalence_margin).by_bits if judged else {}
    figure, axes = new_figure(
        (5.0, 1.7 + 0.5 * len(by_bits)), xlabel=f"{pair}, {suite_data.measure} after the last epoch"
    )
    label = f"equivalence margin, {equivalence_margin:g}"
    axes.axvspan(-equivalence_margin, equivalence_margin, color=GREEN, alpha=0.18, lw=0, label=label)
    axes.axvline(0, color=GREY, lw=1)
    places = dict(zip(by_bits, np.arange(len(by_bits))[::-1], strict=True))
    for bits, by_seed in by_bits.items():
        heights = np.full(len(by_seed), places[bits] - _SEED_SHIFT)
        axes.plot([*by_seed.values()], heights, "o", color=BLUE, alpha=0.6, ms=5, label=_once(axes, "one seed"))
        if bits in verdicts:
            low, high = verdicts[bits].interval90
            style = {"color": INK, "lw": 2.5, "marker": "|", "ms": 9}
            axes.plot([low, high], [places[bits]] * 2, **style, label=_once(axes, "90 % interval"))
            axes.plot(verdicts[bits].mean, places[bits], "D", color=INK, ms=7, label=_once(axes, "mean"))
    axes.set_yticks([*places.values()], [f"{bits} bits" for bits in places])
    axes.set_ylim(-0.6, len(by_bits) - 0.4)
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.08)
    axes.locator_params(axis="x", nbins=6)  # room for signed labels of three decimals
    figure.legend(loc="outside upper center", ncols=2)
    texts = [f"{bits} bits: {verdict.sentence()}" for bits, verdict in verdicts.items()]
    texts += [f"{bits} bits: {len(by_seed)} seeds so far" for bits, by_seed in by_bits.items() if bits not in verdicts]
    name, title = "differences", "Paired differences"
    if len(pairs()) > 1:
        name, title = f"{name}-{pair.other.key}", f"{title}, {pair}"
    return Picture(name, figure, title, f"{'; '.join(texts)}.")


def _once(axes: object, label: str) -> str | None:
    """The label for the legend, unless it is there."""
    return None if label in axes.get_legend_handles_labels()[1] else label
