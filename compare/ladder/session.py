"""What the ladder stands on: the requests, the two workers that answer them, and their answers."""

import dataclasses
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from compare.frameworks.records import SIDES
from compare.frameworks.worker import Worker, side_by_side
from compare.ladder.faults import NO_FAULT, Fault
from shared.config.randomness import dropout_mask, uniform_weights
from shared.config.recipe import PRESETS, Recipe
from shared.network.alexnet import hidden_units, parameters, pooled_units
from shared.worker.probe import Arrays, Request

STEPS_PER_EPOCH = 4
# requests that do not build on the other side's answers
INDEPENDENT = ("float32", "float64", "smooth")
_IMAGES = 64
_EPOCHS = 100
_ZERO_BIT = 0  # the bit whose feature is exactly 0 for every image


@dataclass(frozen=True)
class Scale:
    """Size of the ladder: network width, input side, batch, steps of the float64 and of the float32 trajectory."""

    name: str
    width: float
    input_px: int
    batch: int
    strict_steps: int
    steps: int
    optimiser_dtypes: tuple[str, ...] = ("float64", "float32")

    @property
    def resume_step(self) -> int:
        """The step after which the other framework goes on."""
        return self.strict_steps // 2


@dataclass
class Rig:
    """Asks both frameworks and keeps their answers; ``fault`` is committed on one side.

    ``sound`` may hold answers of a ladder without a fault, to be taken where the fault does not touch the request.
    """

    scale: Scale
    recipe: Recipe
    workers: dict[str, Worker]
    device: str
    folder: Path
    inputs: Arrays
    fault: Fault = NO_FAULT
    answers: dict[tuple[str, str], Arrays] = field(default_factory=dict)
    sound: dict[tuple[str, str], Arrays] = field(default_factory=dict)

    @property
    def optimiser_rates(self) -> tuple[float, ...]:
        """The rate of every step, dropping in the middle."""
        middle = self.scale.strict_steps // 2
        last = self.recipe.lr_drop_epoch
        return tuple(
            self.recipe.rate(last + 1 + (s - middle) // STEPS_PER_EPOCH) for s in range(self.scale.strict_steps)
        )

    @property
    def kept_steps(self) -> tuple[int, ...]:
        """The steps after which weights and momentum are compared."""
        wanted = {1, 2, 5, 10, 20, 50, 100, self.scale.steps, self.scale.resume_step, self.scale.strict_steps}
        return tuple(sorted(step for step in wanted if step <= self.scale.strict_steps))

    def environment(self, side: str) -> dict:
        """What a side says of its process."""
        return self._spoiled(side, "environment", self.workers[side].info()["environment"])

    def ask(self, requests: dict[str, dict[str, tuple[Request, Arrays]]]) -> None:
        """Let each side answer its requests, side by side; answers are kept under (side, request name)."""
        for future in side_by_side([partial(self._ask_one, side, requests[side]) for side in requests]):
            future.result()

    def of(self, side: str, request: str) -> Arrays:
        """One answer."""
        return self.answers[side, request]

    def pair(self, request: str) -> tuple[Arrays, Arrays]:
        """The other framework's answer and the reference's."""
        other, reference = SIDES
        return self.answers[other, request], self.answers[reference, request]

    def _ask_one(self, side: str, requests: dict[str, tuple[Request, Arrays]]) -> None:
        folder = self.folder / self.scale.name / side
        asked = {name: folder / "requests" / f"{name}.npz" for name in requests if not self._is_known(side, name)}
        for name, file in asked.items():
            request, arrays = requests[name]
            if self._commits_fault(side):
                request, arrays = self.fault.spoil_request(name, request, dict(arrays))
            request.save(file, arrays)
        if asked:
            files = map(str, asked.values())
            self.workers[side].output_of_verb("probe", *files, "--out", str(folder), "--device", self.device)
        for name in requests:
            answer = _read(folder / f"{name}.npz") if name in asked else self.sound[side, name]
            self.answers[side, name] = self._spoiled(side, name, answer)

    def _is_known(self, side: str, name: str) -> bool:
        touched = self.fault.touches_requests and (self._commits_fault(side) or name not in INDEPENDENT)
        return (side, name) in self.sound and not touched

    def _commits_fault(self, side: str) -> bool:
        return self.fault.side in (side, "both")

    def _spoiled(self, side: str, name: str, answer: dict) -> dict:
        return self.fault.spoil_answer(name, answer) if self._commits_fault(side) else answer


def _read(file: Path) -> Arrays:
    with np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)


def ladder_recipe(scale: Scale, bits: int) -> Recipe:
    """The published recipe at the ladder's size, over enough epochs for the learning rate to drop three times."""
    settings = {"preset": "align", "bits": bits, "width": scale.width, "input_px": scale.input_px}
    settings |= {"epochs": _EPOCHS}
    return dataclasses.replace(PRESETS["paper"], **settings, batch_size=scale.batch, backbone="none")


def make_inputs(scale: Scale, recipe: Recipe) -> Arrays:
    """Weights with biases that are not zero, momentum, real images, labels, batch order and dropout masks."""
    arrays = _weights(recipe)
    arrays |= {
        f"momentum.{p.name}": uniform_weights(recipe.seed, f"m.{p.name}", p.shape, 0.01) for p in parameters(recipe)
    }
    steps = max(scale.strict_steps, scale.steps)
    generator = np.random.RandomState(recipe.seed)
    arrays["images"] = photograph_crops(_IMAGES)
    arrays["labels"] = np.arange(_IMAGES, dtype=np.int64) % 10
    arrays["order"] = np.stack([generator.permutation(_IMAGES)[: scale.batch] for _ in range(steps)]).astype(np.int64)
    for name, layer, units in (("mask6", 0, pooled_units(recipe)), ("mask7", 1, hidden_units(recipe))):
        masks = [dropout_mask(recipe.seed, step, layer, (scale.batch, units)) for step in range(steps)]
        arrays[name] = np.stack(masks)
    return arrays


def photograph_crops(count: int) -> np.ndarray:
    """uint8 (count, 32, 32, 3): pieces of scikit-learn's two bundled photographs, halved in size."""
    from sklearn.datasets import load_sample_images

    generator = np.random.RandomState(0)
    photographs = [photograph[::2, ::2] for photograph in load_sample_images().images]
    corners = generator.randint(0, (213 - 32, 320 - 32), size=(count, 2))
    return np.stack([photographs[i % 2][y : y + 32, x : x + 32] for i, (y, x) in enumerate(corners)])


def _weights(recipe: Recipe) -> Arrays:
    arrays = {}
    for p in parameters(recipe):
        fan_in = int(np.prod(p.shape[1:])) or 1
        bound = 0.05 if p.kind == "bias" else np.sqrt(4 / fan_in)
        arrays[f"weight.{p.name}"] = uniform_weights(recipe.seed, p.name, p.shape, bound)
    arrays["weight.hash.weight"][_ZERO_BIT] = 0
    arrays["weight.hash.bias"][_ZERO_BIT] = 0
    return arrays
