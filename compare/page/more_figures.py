"""The ladder, the growth of the difference, the speed and the codes of a report, as figures."""

from statistics import median

import numpy as np
from matplotlib.figure import Figure

from compare.frameworks.records import FRAMEWORKS
from compare.page.code_picture import code_picture
from compare.page.codes import CodeMetrics
from compare.page.curves import Picture, line_style, places_beside
from compare.page.data import SuiteData
from compare.page.figures import BLUE, COLOURS, GREY, ORANGE, SIZE, legend_above, new_figure
from shared.scoring.code_quality import PICTURE_RULE


def ladder(align: dict) -> Picture:
    """Measured difference and limit of every rung that has one."""
    rungs = [rung for rung in align["rungs"] if rung["limit"]]
    figure, axes = new_figure((5.0, 4.2), xlabel="difference relative to the largest value", xscale="log")
    places = np.arange(len(rungs))[::-1]
    # a difference of exactly 0 has no place on a logarithmic axis
    measured = [max(rung["measured"], 1e-17) for rung in rungs]
    limits = [rung["limit"] for rung in rungs]
    axes.hlines(places, measured, limits, color=GREY, lw=1, alpha=0.6)
    axes.plot(measured, places, "o", color=BLUE, ms=6, label="measured")
    axes.plot(limits, places, "|", color=ORANGE, ms=14, mew=2.5, label="limit")
    axes.set_yticks(places, [rung["rung"] for rung in rungs])
    figure.legend(loc="outside upper right", ncols=2)
    nearest = max(rungs, key=lambda rung: rung["measured"] / rung["limit"], default=None)
    alt = "No rung with a limit was reached."
    if nearest:
        share = nearest["measured"] / nearest["limit"]
        alt = f"{len(rungs)} rungs with a limit; nearest to its own: {nearest['rung']}, at {share:.1%} of it."
    return Picture("ladder", figure, "Measured difference and limit of every rung", alt)


def growth_points(align: dict) -> list[tuple[int, float, int | None]]:
    """Step, largest relative difference of the float32 weights after it, and the code bits that differed so far."""
    records = [record for rung in align["rungs"] for record in rung["records"] if record.get("growth_step") is not None]
    return [(record["growth_step"], record["max_relative"], record.get("differing_bits")) for record in records]


def growth(align: dict) -> Picture:
    """How far two float32 trainings from one start have parted after so many steps."""
    points = growth_points(align)
    figure, axes = new_figure((5.0, 3.2), xlabel="training step", ylabel="largest relative difference", yscale="log")
    steps, values, _ = zip(*points, strict=True)
    axes.plot(steps, np.maximum(values, 1e-17), "o-", color=BLUE, lw=2, ms=5)
    alt = f"Weights differ by {values[0]:.1e} after step {steps[0]} and {values[-1]:.1e} after step {steps[-1]}."
    return Picture("growth", figure, "Growth of the float32 difference", alt)


def throughput(rows: list[dict]) -> Picture:
    """Images per second of both phases, by length."""
    figure = Figure(figsize=(5.0, 3.3), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, phase in zip(panels, ("training", "encoding"), strict=True):
        lengths, width = sorted({row["bits"] for row in rows}), 0.8 / len(FRAMEWORKS)
        for shift, framework in zip(places_beside(len(FRAMEWORKS), width), FRAMEWORKS.values(), strict=True):
            by_bits = {row["bits"]: row[phase] for row in rows if row["framework"] == framework.key}
            heights = [by_bits.get(bits, 0.0) for bits in lengths]
            style = {"color": COLOURS[framework.colour], "hatch": framework.hatch, "alpha": 0.85}
            axes.bar(np.arange(len(lengths)) + shift, heights, width, label=framework.title, **style)
        axes.set(title=phase, xlabel="bits", ylabel="images/s" if phase == "training" else "")
        axes.set_xticks(range(len(lengths)), list(map(str, lengths)))
        axes.grid(visible=False, axis="x")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    texts = [
        f"{framework.title} {phase} {median(values):,.0f} images/s"
        for phase in ("training", "encoding")
        for framework in FRAMEWORKS.values()
        if (values := [row[phase] for row in rows if row["framework"] == framework.key])
    ]
    return Picture("throughput", figure, "Images per second", f"Medians: {'; '.join(texts)}.")


def throughput_rows(suite_data: SuiteData) -> list[dict]:
    """Speed of each length in each framework: medians over epochs and over runs."""
    rows = []
    for bits in suite_data.lengths:
        for framework in FRAMEWORKS:
            done = [run_data for run_data in suite_data.of(framework, bits) if run_data.result and run_data.log]
            if done:
                encoded = [_encoded_images(m.result) / m.result["encode_seconds"] for m in done]
                training = median(median(record["images_per_second"] for record in m.log) for m in done)
                rows.append({"framework": framework, "bits": bits, "training": training, "encoding": median(encoded)})
    return rows


def _encoded_images(result: dict) -> int:
    return result["retrieval"]["queries"] + result["retrieval"]["items"]


def balance(bits: int, by_framework: dict[str, CodeMetrics]) -> Picture:
    """The share of items that have each bit set."""
    figure, axes = new_figure(xlabel="bit", ylabel="share of items with a 1", ylim=(0, 1))
    axes.axhline(0.5, color=GREY, lw=1)
    texts = []
    for framework, metrics in by_framework.items():
        title, style = FRAMEWORKS[framework].title, {**line_style(framework), "ls": "none"}
        axes.plot(range(1, bits + 1), metrics.balance, label=title, **style)
        texts.append(f"{title} {metrics.balance.min():.2f} to {metrics.balance.max():.2f}")
    legend_above(figure, axes)
    alt = f"Share of ones per bit, where 0.5 is balanced: {'; '.join(texts)}."
    return Picture(f"balance-{bits}", figure, f"Bit balance, {bits} bits", alt)


def correlation(bits: int, by_framework: dict[str, CodeMetrics]) -> Picture:
    """The correlation of each pair of bits."""
    # keeps the titles of square axes inside the figure
    figure = Figure(figsize=SIZE, layout="compressed")
    panels = figure.subplots(1, len(by_framework), squeeze=False)[0]
    extent = (0.5, bits + 0.5, bits + 0.5, 0.5)
    for axes, (framework, metrics) in zip(panels, by_framework.items(), strict=True):
        image = axes.imshow(metrics.correlation, vmin=-1, vmax=1, cmap="PuOr", extent=extent)
        axes.set_title(FRAMEWORKS[framework].title, fontsize=10)
        axes.set_xlabel("bit")
        axes.grid(visible=False)
    figure.colorbar(image, ax=list(panels), location="bottom", label="correlation", shrink=0.7)
    texts = [
        f"{FRAMEWORKS[name].title} mean {metrics.off_diagonal.mean():.2f}, largest {metrics.off_diagonal.max():.2f}"
        for name, metrics in by_framework.items()
        if bits > 1
    ]
    alt = f"Absolute correlation of two different bits: {'; '.join(texts)}."
    return Picture(f"correlation-{bits}", figure, f"Correlation of bits, {bits} bits", alt)


def codes_by_class(bits: int, by_framework: dict[str, CodeMetrics], class_names: dict[int, str]) -> Picture | None:
    """The codes on their first two principal components; None where no framework's are known."""
    known = {FRAMEWORKS[name].title: of.quality.projection for name, of in by_framework.items() if of.quality}
    if not known:
        return None
    shares = [f"{title} {shown.explained.sum():.0%} of the variance" for title, shown in known.items()]
    figure = code_picture(known, lambda label: class_names[int(label)])
    alt = f"{PICTURE_RULE[0].upper()}{PICTURE_RULE[1:]}. Both components together: {'; '.join(shares)}."
    return Picture(f"codes_by_class-{bits}", figure, f"Codes by class, {bits} bits", alt)
