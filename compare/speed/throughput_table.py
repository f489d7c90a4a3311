"""Measured seconds as a table, its notes and a figure."""

from statistics import median

from matplotlib.figure import Figure

from compare.frameworks.records import FRAMEWORKS, all_of, pairs
from compare.page.figures import COLOURS, house_style
from compare.speed.measured import PLAIN_PHASES, Configuration, Measured, other_costs
from shared.codes.encoding import BATCH_SIZE
from shared.config.kernels import NATIVE
from shared.network.alexnet import sizes_of
from shared.network.flops import encoding_flops, training_bytes, training_flops
from shared.worker.bench import PRODUCT_SIDE

# phase, its label, and the unit it is shown in
_ROWS = (
    ("upsample", "upsampling", "images/s"),
    ("step", "training step", "images/s"),
    ("input", "- its input", "ms"),
    ("forward", "- forward", "ms"),
    ("backward", "- backward", "ms"),
    ("update", "- update", "ms"),
    ("encode", "encoding", "images/s"),
    ("start", "starting a worker", "s"),
    ("encoder", "making the encoder", "s"),
    ("to neutral", "weights and momentum to neutral", "s"),
    ("write", "writing a checkpoint", "s"),
    ("read", "reading it", "s"),
    ("from neutral", "neutral to weights and momentum", "s"),
    ("convert", "converting it to its own form", "s"),
    ("convert back", "reading its own form", "s"),
    ("codes", "writing codes", "s"),
    ("score", "score", "s"),
)


_SHORT = {"default settings": "defaults", "native kernels": "native"}
_BESIDE = {
    "default settings": "defaults: the framework with the same threads, without this project's speed settings "
    "(GREEDYHASH_UNTUNED=1).",
    "native kernels": "native: the framework with its own kernels, and the same settings else.",
}


def table(measured: Measured) -> list[dict[str, str]]:
    """A row for each phase; rates and seconds are medians, with the smallest and the largest behind them."""
    return [_row(measured, phase, label, unit) for phase, label, unit in _ROWS]


def _row(measured: Measured, phase: str, label: str, unit: str) -> dict[str, str]:
    row = {"phase": f"{label}, {unit}"}
    for framework in FRAMEWORKS.values():
        row[framework.title] = _shown(measured, framework.key, phase, unit)
    for pair in pairs():
        other, reference = (measured.of(name, phase) for name in pair.keys)
        row[pair.ratio] = _ratio(reference, other)
    for framework in FRAMEWORKS.values():
        plain = measured.of(framework.key, phase, tuned=False) if phase in PLAIN_PHASES else []
        row[f"{framework.short} / {_SHORT[measured.beside]}"] = _ratio(plain, measured.of(framework.key, phase))
    for framework in FRAMEWORKS.values():
        row[f"{framework.short} / ceiling"] = _share(measured, framework.key, phase)
    return row


def _shown(measured: Measured, framework: str, phase: str, unit: str) -> str:
    values = measured.of(framework, phase)
    if not values:
        return "-"
    show = {
        "images/s": lambda seconds: measured.batch(phase) / seconds,
        "ms": lambda seconds: 1e3 * seconds,
        "s": lambda seconds: seconds,
    }[unit]
    ends = sorted([show(min(values)), show(max(values))])
    numbers = [_number(value) for value in (show(median(values)), *ends)]
    return f"{numbers[0]} [{numbers[1]}, {numbers[2]}]" if len(values) > 1 else numbers[0]


def _number(value: float) -> str:
    """Three significant digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _ratio(slow: list[float], fast: list[float]) -> str:
    """How many times as fast the second is, by the medians of both."""
    return f"{median(slow) / median(fast):.2f}" if slow and fast else "-"


def _share(measured: Measured, framework: str, phase: str) -> str:
    operations = _operations(measured, phase)
    if not operations or not measured.of(framework, phase):
        return "-"
    return f"{operations / median(measured.of(framework, phase)) / measured.ceiling():.0%}"


def _operations(measured: Measured, phase: str) -> int:
    """Floating-point operations of one measurement; 0 for a phase that consists of other work."""
    forward, training = encoding_flops(measured.recipe), training_flops(measured.recipe)
    an_image = {"step": training, "forward": forward, "backward": training - forward, "encode": forward}.get(phase, 0)
    return an_image * measured.batch(phase)


def heading(measured: Measured) -> str:
    """The line above the table: how its numbers were measured, and under what load."""
    return (
        f"Speed by phase, {all_of()} frameworks in turn in one session; the machine's load average before: "
        f"{measured.load_before:.1f}"
    )


def notes(measured: Measured) -> list[str]:
    """What the table means, and what its numbers depend on."""
    recipe, best = measured.recipe, "better of both" if len(FRAMEWORKS) == 2 else "best of all"
    return [
        "Medians [smallest, largest] of measurements in turn; ratios of speeds: above 1 the one named first is faster. "
        + _BESIDE[measured.beside],
        f"{recipe.input_px} px, AlexNet {sizes_of(recipe)}, {recipe.bits} bits, {recipe.precision}, "
        f"{'' if recipe.kernels == NATIVE else f'{recipe.kernels} kernels, '}batch "
        f"{recipe.batch_size} in training and {BATCH_SIZE} in encoding, {recipe.dropout} dropout masks.",
        *(_environment_note(measured, name) for name in measured.frameworks),
        f"Ceiling: {_giga(measured.ceiling())} GFLOP/s, the {best} frameworks' {PRODUCT_SIDE} x {PRODUCT_SIDE} "
        f"matrix products ({', '.join(_product(measured, name) for name in measured.frameworks)}).",
        f"Arithmetic: {_giga(training_flops(recipe))} GFLOP an image in training, {_giga(encoding_flops(recipe))} in "
        f"encoding; a training step moves at least {training_bytes(recipe) / 1e9:.2f} GB.",
        *(_other_costs_note(measured, name) for name in measured.frameworks),
        *_copies_note(measured),
    ]


def _environment_note(measured: Measured, framework: str) -> str:
    environment = measured.environments[Configuration(framework, tuned=True)]
    versions = ", ".join(f"{name} {version}" for name, version in environment["packages"].items() if version)
    set_here = ", ".join(f"{name}={value}" for name, value in environment["variables"].items() if value)
    place = f"{environment['device_name']}, {environment['framework_threads']} threads"
    text = f"{FRAMEWORKS[framework].title}: {place}; {versions}"
    return f"{text}; {set_here}." if set_here else f"{text}."


def _product(measured: Measured, framework: str) -> str:
    return f"{FRAMEWORKS[framework].title} {_giga(2 * PRODUCT_SIDE**3 / median(measured.of(framework, 'product')))}"


def _giga(value: float) -> str:
    return _number(value / 1e9)


def _other_costs_note(measured: Measured, framework: str) -> str:
    title, (main, rest) = FRAMEWORKS[framework].title, other_costs(measured, framework)
    return (
        f"{title}: a run of {measured.recipe.epochs} epochs on CIFAR-10 (I) takes {main:.0f} s of training "
        f"and encoding at these rates, and {rest:.1f} s of other costs, {rest / (main + rest):.1%} of the whole."
    )


def _copies_note(measured: Measured) -> list[str]:
    counts = ", ".join(f"{FRAMEWORKS[name].title} {count}" for name, count in measured.copies.items())
    return [f"Copies from the host to the GPU in one training step, by the profiler: {counts}."] if counts else []


def markdown(rows: list[dict[str, str]]) -> str:
    """The table as Markdown, in columns on a terminal."""
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in rows[0]}
    lines = [{name: name for name in widths}, {name: "-" * (width - 1) + ":" for name, width in widths.items()}, *rows]
    first = next(iter(widths))
    lines[1][first] = ":" + "-" * (widths[first] - 1)
    return "\n".join(
        "| " + " | ".join(f"{line[n]:{'<' if n == first else '>'}{w}}" for n, w in widths.items()) + " |"
        for line in lines
    )


def figure(measured: Measured) -> Figure:
    """Training and encoding rates of the frameworks, with and without this project's settings."""
    bars = [(name, tuned) for name in measured.frameworks for tuned in (False, True)]
    label = {True: "tuned" if measured.recipe.kernels == NATIVE else "shared", False: _SHORT[measured.beside]}
    labels = [f"{FRAMEWORKS[name].short}\n{label[tuned]}" for name, tuned in bars]
    with house_style():
        drawn = Figure(figsize=(6.4, 3.2), layout="constrained")
        for axes, phase, title in zip(drawn.subplots(1, 2), PLAIN_PHASES, ("training", "encoding"), strict=True):
            rates = [measured.images_per_second(*bar, phase) or 0.0 for bar in bars]
            for place, ((name, tuned), rate) in enumerate(zip(bars, rates, strict=True)):
                look = {"color": COLOURS[FRAMEWORKS[name].colour], "hatch": FRAMEWORKS[name].hatch}
                axes.bar(place, rate, **look, alpha=0.85 if tuned else 0.4)
                axes.text(place, rate, _number(rate), ha="center", va="bottom")
            axes.set_xticks(range(len(labels)), labels, fontsize=8)
            axes.set(title=title, ylabel="images/s" if phase == "step" else "")
            axes.grid(visible=False, axis="x")
            axes.margins(y=0.12)
        return drawn
