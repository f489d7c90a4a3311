"""The curves of a report, each with a text of its main numbers."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from compare.frameworks.records import FRAMEWORKS
from compare.page.codes import LengthMetrics
from compare.page.data import RunData, SuiteData
from compare.page.figures import COLOURS, legend_above, new_figure
from compare.tables.published import PUBLISHED_STYLES, published_curves, published_last
from shared.training.departures import departures


@dataclass(frozen=True)
class Picture:
    """A figure, its file name without suffix, a short title, and in ``alt`` the numbers that matter."""

    name: str
    figure: Figure
    title: str
    alt: str


# between the runs of two seeds at one length
_SEED_STEP = 0.025
# the least span of an axis, which would magnify rounding otherwise
_LEAST_MAP, _LEAST_LOSS = 0.05, 0.05


def line_style(framework: str) -> dict:
    """Settings of matplotlib's lines for a framework."""
    return {"color": COLOURS[FRAMEWORKS[framework].colour], **FRAMEWORKS[framework].line}


def places_beside(count: int, width: float) -> list[float]:
    """Where ``count`` things of one ``width`` stand, side by side, around 0."""
    return [(place - (count - 1) / 2) * width for place in range(count)]


def _published_style(label: str) -> dict:
    colour, line = PUBLISHED_STYLES[label]
    return {"color": COLOURS[colour], **line}


def map_by_length(suite_data: SuiteData) -> Picture:
    """The last mAP at every length, with the interval that ties leave open; published values as open markers."""
    published = published_last(suite_data.recipe) if suite_data.recipe else []
    figure, axes = new_figure((5.0, 3.0), xlabel="bits", ylabel=f"{suite_data.measure} after the last epoch")
    place = {bits: x for x, bits in enumerate(suite_data.lengths)}
    texts = []
    for framework, shift in zip(FRAMEWORKS, places_beside(len(FRAMEWORKS), 0.2), strict=True):
        runs = [run_data for run_data in suite_data.finished if run_data.cell.framework == framework]
        _draw_intervals(axes, framework, runs, [place[run_data.cell.bits] + shift for run_data in runs])
        texts += [_mean_of(framework, bits, [m for m in runs if m.cell.bits == bits]) for bits in place]
    texts = [text for text in texts if text]
    for row in published:
        scores = {bits: float(row.maps[bits]) for bits in suite_data.lengths if bits in row.maps}
        places = [place[bits] for bits in scores]
        axes.plot(places, scores.values(), label=row.label, **{**_published_style(row.source), "ls": "none"})
        if scores:
            texts.append(f"{row.label} {', '.join(f'{bits} bits {value:.3f}' for bits, value in scores.items())}")
    axes.set_xticks(list(place.values()), list(map(str, place)))
    axes.set_xlim(-0.5, len(place) - 0.5)
    _widen(axes, _LEAST_MAP)
    legend_above(figure, axes)
    measure = suite_data.measure
    return Picture("map_by_length", figure, f"{measure} by code length", _sentence(measure, texts))


def _mean_of(framework: str, bits: int, runs: list[RunData]) -> str:
    scores = [run_data.result["map_last"]["expected"] for run_data in runs]
    if not scores:
        return ""
    count = f" (mean of {len(scores)} seeds)" if len(scores) > 1 else ""
    return f"{FRAMEWORKS[framework].title} {bits} bits {np.mean(scores):.4f}{count}"


def _draw_intervals(axes: Axes, framework: str, runs: list[RunData], places: list[float]) -> None:
    """Draw each run's mAP with its interval; runs that share a place stand side by side around it."""
    ranks = [places[:at].count(place) - (places.count(place) - 1) / 2 for at, place in enumerate(places)]
    places = [place + _SEED_STEP * rank for place, rank in zip(places, ranks, strict=True)]
    scores = [run_data.result["map_last"] for run_data in runs]
    middle = np.array([score["expected"] for score in scores])
    ends = np.array([[score["worst"], score["best"]] for score in scores]).reshape(-1, 2).T
    if scores:
        style = {**line_style(framework), "ls": "none", "lw": 1.2, "label": FRAMEWORKS[framework].title}
        axes.errorbar(places, middle, np.abs(ends - middle), capsize=4, elinewidth=1.2, **style)


def training(suite_data: SuiteData) -> list[Picture]:
    """Loss and mAP of every length, and the learning rate, which all lengths share; one value makes no curve."""
    pictures = [
        draw(suite_data, bits)
        for name, draw in (("loss", loss_curves), ("map", map_curves))
        for bits in suite_data.lengths
        if _points(suite_data, bits, name) > 1
    ]
    drawn = [bits for bits in suite_data.lengths if _points(suite_data, bits, "lr") > 1]
    return [*pictures, *(learning_rate_curve(suite_data, bits) for bits in drawn[:1])]


def loss_curves(suite_data: SuiteData, bits: int) -> Picture:
    """Mean training loss of every epoch."""
    figure, axes, texts = _epochs(suite_data, bits, "loss", "train_loss", ylabel="training loss")
    _widen(axes, _LEAST_LOSS)
    return Picture(f"loss-{bits}", figure, f"Loss, {bits} bits", _sentence("Training loss, last epoch", texts))


def map_curves(suite_data: SuiteData, bits: int) -> Picture:
    """The mAP of every scored epoch."""
    figure, axes, texts = _epochs(suite_data, bits, "map", "map", ylabel=suite_data.measure)
    _widen(axes, _LEAST_MAP)
    measure = suite_data.measure
    return Picture(f"map-{bits}", figure, f"{measure}, {bits} bits", _sentence(f"{measure}, last scored epoch", texts))


def learning_rate_curve(suite_data: SuiteData, bits: int) -> Picture:
    """The learning rate that the optimisers held, which is the same at every length."""
    figure, axes, texts = _epochs(suite_data, bits, "lr", "lr", ylabel="learning rate", yscale="log")
    low, high = axes.get_ylim()
    if high < 10 * low:
        axes.set_ylim(low / 3, high * 3)
    alt = _sentence("Learning rate in the last epoch", texts)
    return Picture("learning_rate", figure, f"Learning rate, {bits} bits", alt)


def _points(suite_data: SuiteData, bits: int, name: str) -> int:
    """How many epochs of a run, at most, have a value of this name."""
    return max((sum(name in record for record in run_data.log) for run_data in _begun(suite_data, bits)), default=0)


def _epochs(
    suite_data: SuiteData, bits: int, name: str, published: str, **axes_of: str
) -> tuple[Figure, Axes, list[str]]:
    """A figure with a line per run over the epochs, and the runs' last values as text, framework by framework."""
    figure, axes = new_figure(xlabel="epoch", **axes_of)
    last: dict[str, list[str]] = {}
    for run_data in _begun(suite_data, bits):
        last.setdefault(_name(run_data), []).append(_draw_log(axes, run_data, name))
    texts = [f"{framework} {', '.join(dict.fromkeys(values))}" for framework, values in last.items()]
    _draw_published(axes, suite_data, bits, published)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_above(figure, axes)
    return figure, axes, texts


def _widen(axes: Axes, least: float) -> None:
    """Make the y axis span at least ``least``, so that it does not magnify rounding; it does not begin below 0."""
    low, high = axes.get_ylim()
    missing = least - (high - low)
    if missing > 0:
        low = max(0.0, low - missing / 2)
        axes.set_ylim(low, max(high + missing / 2, low + least))


def precision_recall(suite_data: SuiteData, bits: int, metrics: LengthMetrics) -> Picture:
    """Precision over recall by rank, and as markers within each Hamming radius."""
    figure, axes = new_figure(xlabel="recall", ylabel="precision", xlim=(-0.01, 1.02), ylim=(0, 1.03))
    texts = []
    for framework, result in _results(suite_data, bits, metrics.seed):
        title, style, curve = FRAMEWORKS[framework].title, line_style(framework), result["retrieval"]["radius_curve"]
        if framework in metrics.of:
            by_rank = metrics.of[framework].by_rank
            axes.plot(by_rank.recall, by_rank.precision, **{**style, "marker": ""})
        axes.plot(curve["recall"], curve["precision"], label=title, **_markers(style, framework in metrics.of))
        inside = result["retrieval"]["within_radius_2"]
        texts.append(f"{title} {inside['precision']:.3f} and {inside['recall']:.3f}")
    legend_above(figure, axes)
    alt = _sentence("Precision and recall within radius 2", texts)
    return Picture(f"precision_recall-{bits}", figure, f"Precision and recall, {bits} bits", alt)


def precision_at(suite_data: SuiteData, bits: int, metrics: LengthMetrics) -> Picture:
    """Precision of the first k items."""
    figure, axes = new_figure(xlabel="k, items looked at", ylabel="precision", xscale="log", ylim=(0, 1.03))
    texts = []
    for framework, result in _results(suite_data, bits, metrics.seed):
        title, style, at = FRAMEWORKS[framework].title, line_style(framework), result["retrieval"]["precision_at"]
        if framework in metrics.of:
            axes.plot(metrics.of[framework].ranks, metrics.of[framework].by_rank.precision, **{**style, "marker": ""})
        axes.plot(list(map(int, at)), at.values(), label=title, **_markers(style, framework in metrics.of))
        texts.append(title + " " + ", ".join(f"{at[k]:.3f} at {k}" for k in ("1", "10", "100") if k in at))
    legend_above(figure, axes)
    return Picture(f"precision_at-{bits}", figure, f"Precision at k, {bits} bits", _sentence("Precision", texts))


def _results(suite_data: SuiteData, bits: int, seed: int) -> list[tuple[str, dict]]:
    """The result of each framework's run of this seed, if finished."""
    runs = ((framework, suite_data.finished_run(framework, bits, seed)) for framework in FRAMEWORKS)
    return [(framework, run_data.result) for framework, run_data in runs if run_data]


def _markers(style: dict, has_line: bool) -> dict:
    """The style of points that lie on a line drawn before, if there is one."""
    return {**style, "ls": "none"} if has_line else style


def _begun(suite_data: SuiteData, bits: int) -> list[RunData]:
    return [run_data for framework in FRAMEWORKS for run_data in suite_data.of(framework, bits) if run_data.log]


def _draw_log(axes: Axes, run_data: RunData, name: str) -> str:
    """Draw one run's values over the epochs; the last of them as text."""
    points = [(record["epoch"], _number(record[name])) for record in run_data.log if name in record]
    label = None if _name(run_data) in axes.get_legend_handles_labels()[1] else _name(run_data)
    style = {**line_style(run_data.cell.framework), "markevery": 1 + len(points) // 20}
    axes.plot(*zip(*points, strict=True) if points else ([], []), label=label, **style)
    return f"{points[-1][1]:{'g' if name == 'lr' else '.4f'}}" if points else "not scored yet"


def _number(value: float | dict) -> float:
    return value["expected"] if isinstance(value, dict) else value


def _draw_published(axes: Axes, suite_data: SuiteData, bits: int, name: str) -> None:
    curves = published_curves(suite_data.recipe, bits) if suite_data.recipe else {}
    for source, curve in curves.items():
        if curve["epoch"]:
            label = f"{source}, other settings" if departures(suite_data.recipe) else source
            axes.plot(curve["epoch"], curve[name], label=label, **{**_published_style(source), "markevery": 5})


def _name(run_data: RunData) -> str:
    return FRAMEWORKS[run_data.cell.framework].title


def _sentence(what: str, texts: Iterable[str]) -> str:
    return f"{what}: {'; '.join(texts)}."
