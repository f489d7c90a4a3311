"""Measured seconds as a table, its notes and a figure."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

from matplotlib.figure import Figure

from compare.frameworks.records import FRAMEWORKS, all_of, pairs
from compare.page.figures import COLOURS, house_style
from shared.codes.encoding import BATCH_SIZE
from shared.config.recipe import Recipe
from shared.network.alexnet import sizes_of
from shared.network.flops import encoding_flops, training_bytes, training_flops
from shared.worker.bench import PRODUCT_SIDE

# what is measured without this project's settings, too
PLAIN_PHASES = ("step", "encode")
_TRAINED, _ENCODED = 5000, 60_000  # images an epoch, and to score a run, of CIFAR-10 (I)
# phase, what people call it, and the unit it is shown in
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


class Configuration(NamedTuple):
    """A framework with this project's speed settings, or with its default settings."""

    framework: str
    tuned: bool

    def __str__(self) -> str:
        return FRAMEWORKS[self.framework].title + ("" if self.tuned else ", default settings")


@dataclass
class Measured:
    """Seconds of every phase by configuration; ``environments`` is what each worker said of itself.

    ``load_before`` is the system's load average before anything was measured: processes that wanted to run.
    """

    recipe: Recipe
    environments: dict[Configuration, dict]
    load_before: float
    seconds: dict[Configuration, dict[str, list[float]]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, configuration: Configuration, seconds: Mapping[str, float]) -> None:
        """Add one measurement of some phases."""
        for name, value in seconds.items():
            self.seconds[configuration].setdefault(name, []).append(value)

    def add_common(self, seconds: Mapping[str, float]) -> None:
        """Add one measurement of what is the same for all frameworks."""
        for framework in self.frameworks:
            self.add(Configuration(framework, tuned=True), seconds)

    @property
    def frameworks(self) -> list[str]:
        """Those that were measured."""
        return [name for name in FRAMEWORKS if Configuration(name, tuned=True) in self.environments]

    def of(self, framework: str, phase: str, tuned: bool = True) -> list[float]:
        """All measurements of a phase; none where it was not measured."""
        return self.seconds[Configuration(framework, tuned)].get(phase, [])

    def batch(self, phase: str) -> int:
        """Images of one measurement."""
        return BATCH_SIZE if phase == "encode" else self.recipe.batch_size

    def images_per_second(self, framework: str, tuned: bool, phase: str) -> float | None:
        """The median rate; None where it was not measured."""
        values = self.of(framework, phase, tuned)
        return self.batch(phase) / median(values) if values else None

    def ceiling(self) -> float:
        """The best rate of a large matrix product, floating-point operations a second."""
        return 2 * PRODUCT_SIDE**3 / min(median(self.of(name, "product")) for name in self.frameworks)

    def as_json(self) -> dict:
        """Everything measured, for ``throughput.json``."""
        facts = {"load_before": self.load_before, "seconds": {str(who): found for who, found in self.seconds.items()}}
        facts |= {"environments": {str(who): environment for who, environment in self.environments.items()}}
        return facts | {"ceiling_flops": self.ceiling(), "encode_batch": BATCH_SIZE, "batch": self.recipe.batch_size}


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
        row[f"{framework.short} / defaults"] = _ratio(plain, measured.of(framework.key, phase))
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
    """Floating-point operations of one measurement; 0 where they are not what a phase consists of."""
    forward, both = encoding_flops(measured.recipe), training_flops(measured.recipe)
    an_image = {"step": both, "forward": forward, "backward": both - forward, "encode": forward}.get(phase, 0)
    return an_image * measured.batch(phase)


def other_costs(measured: Measured, framework: str) -> tuple[float, float]:
    """Seconds of training and encoding, and of other costs, in one run of the recipe on CIFAR-10 (I)."""

    def seconds(phase: str) -> float:
        return median(measured.of(framework, phase))

    epochs = measured.recipe.epochs
    main = epochs * _TRAINED / measured.batch("step") * seconds("step")
    main += _ENCODED / measured.batch("encode") * seconds("encode")
    # a state is kept after every epoch; the last is read again and becomes the checkpoint
    states = epochs * (seconds("to neutral") + seconds("write")) + seconds("read") + seconds("write")
    return main, states + sum(map(seconds, ("start", "encoder", "codes", "score")))


def heading(measured: Measured) -> str:
    """What stands above the table: where its numbers are from, and under what load."""
    return (
        f"Speed by phase, {all_of()} frameworks in turn in one session; the machine's load average before: "
        f"{measured.load_before:.1f}"
    )


def notes(measured: Measured) -> list[str]:
    """What the table means, and the facts that its numbers depend on."""
    recipe, best = measured.recipe, "better of both" if len(FRAMEWORKS) == 2 else "best of all"
    return [
        "Medians [smallest, largest] of measurements in turn; ratios of speeds: above 1 the one named first is faster. "
        "defaults: the framework with the same threads, without this project's speed settings (GREEDYHASH_UNTUNED=1).",
        f"{recipe.input_px} px, AlexNet {sizes_of(recipe)}, {recipe.bits} bits, {recipe.precision}, batch "
        f"{recipe.batch_size} in training and {BATCH_SIZE} in encoding, {recipe.dropout} dropout masks.",
        *(_environment_note(measured, name) for name in measured.frameworks),
        f"Ceiling: {_giga(measured.ceiling())} GFLOP/s, the {best} frameworks' {PRODUCT_SIDE} x {PRODUCT_SIDE} "
        f"matrix products ({', '.join(_product(measured, name) for name in measured.frameworks)}).",
        f"Arithmetic: {_giga(training_flops(recipe))} GFLOP an image in training, {_giga(encoding_flops(recipe))} in "
        f"encoding; a training step moves at least {training_bytes(recipe) / 1e9:.2f} GB.",
        *(_other_costs_note(measured, name) for name in measured.frameworks),
    ]


def _environment_note(measured: Measured, framework: str) -> str:
    facts = measured.environments[Configuration(framework, tuned=True)]
    versions = ", ".join(f"{name} {version}" for name, version in facts["packages"].items() if version)
    set_here = ", ".join(f"{name}={value}" for name, value in facts["variables"].items() if value)
    text = f"{FRAMEWORKS[framework].title}: {facts['device_name']}, {facts['framework_threads']} threads; {versions}"
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
    labels = [f"{FRAMEWORKS[name].short}\n{'tuned' if tuned else 'defaults'}" for name, tuned in bars]
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
