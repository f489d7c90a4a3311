"""The measured seconds of every phase, and what follows from them: rates, the ceiling, a run's other costs."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

from compare.frameworks.records import FRAMEWORKS
from shared.codes.encoding import BATCH_SIZE
from shared.config.kernels import NATIVE
from shared.config.recipe import Recipe
from shared.worker.bench import PRODUCT_SIDE

# the phases that are also measured without this project's settings
PLAIN_PHASES = ("step", "encode")
_TRAINED, _ENCODED = 5000, 60_000  # images an epoch, and to score a run, of CIFAR-10 (I)


class Configuration(NamedTuple):
    """A framework with this project's speed settings, and with the kernels that are measured.

    Where it is not ``tuned``, what it is shown beside: its default settings, or native kernels beside others.
    """

    framework: str
    tuned: bool


@dataclass
class Measured:
    """Seconds of every phase by configuration; ``environments`` is what each worker reported of itself.

    ``load_before`` is the system's load average before anything was measured: processes that wanted to run.
    ``copies`` counts, on a GPU, a framework's copies from the host in one training step.
    """

    recipe: Recipe
    environments: dict[Configuration, dict]
    load_before: float
    seconds: dict[Configuration, dict[str, list[float]]] = field(default_factory=lambda: defaultdict(dict))
    copies: dict[str, int] = field(default_factory=dict)

    @property
    def beside(self) -> str:
        """What a configuration that is not tuned is."""
        return "default settings" if self.recipe.kernels == NATIVE else "native kernels"

    def title(self, configuration: Configuration) -> str:
        """Its name in ``throughput.json``."""
        return FRAMEWORKS[configuration.framework].title + ("" if configuration.tuned else f", {self.beside}")

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
        return {
            "load_before": self.load_before,
            "seconds": {self.title(configuration): phases for configuration, phases in self.seconds.items()},
            "environments": {self.title(configuration): values for configuration, values in self.environments.items()},
            "ceiling_flops": self.ceiling(),
            "copies_per_step": self.copies,
            "encode_batch": BATCH_SIZE,
            "batch": self.recipe.batch_size,
        }


def other_costs(measured: Measured, framework: str) -> tuple[float, float]:
    """Seconds of training and encoding, and of other costs, in one run of the recipe on CIFAR-10 (I)."""

    def seconds(phase: str) -> float:
        return median(measured.of(framework, phase))

    epochs = measured.recipe.epochs
    main = epochs * _TRAINED / measured.batch("step") * seconds("step")
    main += _ENCODED / measured.batch("encode") * seconds("encode")
    # a state is saved after every epoch; the last is read again and becomes the checkpoint
    states = epochs * (seconds("to neutral") + seconds("write")) + seconds("read") + seconds("write")
    return main, states + sum(map(seconds, ("start", "encoder", "codes", "score")))
