"""One probe of a framework: a request file in, every number the alignment ladder compares out.

A request holds neutral weights, images, labels, batch order, dropout masks and settings; the answer holds what one
framework made of them. The framework stands behind ``Side``; everything else is the same code for both.
"""

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shared.checkpoint import weights
from shared.config.randomness import batch_order, dropout_mask
from shared.config.recipe import Recipe, recipe_from_dict
from shared.data import cifar
from shared.network.alexnet import parameters
from shared.network.initial import initial_weights
from shared.scoring.retrieval import evaluate
from shared.system.errors import UserError
from shared.system.files import atomic_path
from shared.worker.contract import Arrays, Masks, Side

WEIGHT, MOMENTUM, GRADIENT, STAGE, IMAGE = "weight.", "momentum.", "gradient.", "stage.", "image."
_DIFFERENCE_STEP = 1e-7


@dataclasses.dataclass(frozen=True)
class Request:
    """What to compute: ``parts`` in order, in ``dtype``, by a framework with ``recipe``.

    ``first_step`` and ``num_steps`` bound the trajectory; its state is saved after each of ``saved_steps`` (counted
    from 1). ``learning_rates`` has one per step. ``fault`` names one for the framework to inject.
    """

    recipe: Recipe
    dtype: str
    parts: tuple[str, ...]
    first_step: int = 0
    num_steps: int = 0
    saved_steps: tuple[int, ...] = ()
    learning_rates: tuple[float, ...] = ()
    fault: str = ""

    def save(self, path: Path, arrays: Mapping[str, np.ndarray]) -> None:
        """Write request and arrays as one .npz."""
        save_arrays(path, {"request": np.array(json.dumps(dataclasses.asdict(self))), **arrays})


def load_request(path: Path) -> tuple[Request, Arrays]:
    """What ``Request.save`` wrote; UserError for anything else."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        values = json.loads(str(arrays.pop("request")))
        recipe = recipe_from_dict(values.pop("recipe"), where=str(path))
        return Request(recipe, **{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}), arrays
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: expected a probe request, received: {error}") from error


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays atomically as .npz."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


class Batch(NamedTuple):
    """Normalised pixels in the request's dtype, labels int64, masks uint8."""

    pixels: np.ndarray
    labels: np.ndarray
    masks: Masks


class Probe:
    """One request being answered by one side."""

    def __init__(self, request: Request, arrays: Arrays, side: Side) -> None:
        self.request, self.arrays, self.side = request, arrays, side
        self._upsampled, self._normalised = side.pixels(arrays["images"])

    def answer(self) -> Arrays:
        """The results of all parts, each from the request's state, under names that say where they come from."""
        answers: Arrays = {}
        for part in self.request.parts:
            self.side.load(self._state(WEIGHT), self._state(MOMENTUM) or None)
            answers |= PARTS[part](self)
        return answers

    def batch(self, step: int) -> Batch:
        """The images of one step."""
        index = self.arrays["order"][step]
        index = index[index >= 0]  # an epoch's last batch may be smaller
        masks = self.arrays["mask6"][step][: len(index)], self.arrays["mask7"][step][: len(index)]
        pixels = self._normalised[index].astype(self.request.dtype)
        return Batch(pixels, self.arrays["labels"][index], masks)

    def inputs(self) -> Arrays:
        recipe, labels = self.request.recipe, np.tile(np.arange(10), 6000)
        split = cifar.split(labels, "cifar10-1", recipe.seed)
        order = np.stack([batch_order(recipe.seed, epoch, 5000) for epoch in (1, 2, recipe.epochs)])
        masks = np.stack([dropout_mask(recipe.seed, step, step % 2, (32, 64)) for step in range(4)])
        initial = weights.digest(initial_weights(recipe, {}))
        return {
            "query": split.query,
            "train": split.train,
            "database": split.database,
            "batch order": order,
            "order": self.arrays["order"],
            "dropout masks": masks,
            "initial weights": np.frombuffer(bytes.fromhex(initial), np.uint8),
        }

    def pixels(self) -> Arrays:
        return {"upsampled": self._upsampled, "normalised": self._normalised}

    def weights(self) -> Arrays:
        return prefixed(WEIGHT, self.side.weights())

    def forward(self) -> Arrays:
        batch = self.batch(0)
        return {"input": batch.pixels} | prefixed(STAGE, self.side.forward(batch.pixels, batch.masks, training=True))

    def stages(self) -> Arrays:
        masks = self.batch(0).masks
        inputs = take(self.arrays, STAGE)
        dtype = self.request.dtype
        return {f"{STAGE}{name}": self.side.stage(name, x.astype(dtype), masks) for name, x in inputs.items()}

    def gradients(self) -> Arrays:
        return self.side.backward(*self.batch(0))

    def image_losses(self) -> Arrays:
        """Loss terms (N,) of each image of the first batch alone, and the logits that they follow from."""
        batch = self.batch(0)
        answers: dict[str, list[np.ndarray]] = {}
        for image in (slice(place, place + 1) for place in range(len(batch.labels))):
            masks = tuple(mask[image] for mask in batch.masks)
            result = self.side.backward(batch.pixels[image], batch.labels[image], masks)
            for name in ("cross_entropy", "penalty", "loss", "logits", "feature"):
                answers.setdefault(name, []).append(result[name])
        joined = {name: np.concatenate([np.atleast_1d(value) for value in values]) for name, values in answers.items()}
        return prefixed(IMAGE, joined)

    def differences(self) -> Arrays:
        """Central differences of the loss along one of ``directions`` per parameter, float64."""
        start, batch = self._state(WEIGHT), self.batch(0)
        gradients = take(self.side.backward(*batch), GRADIENT)
        slopes = {}
        for name, direction in directions(self.request.recipe, gradients).items():
            losses = []
            for sign in (1, -1):
                moved = start[name] + sign * _DIFFERENCE_STEP * direction
                self.side.load(start | {name: moved}, None)
                losses.append(float(self.side.backward(*batch)["loss"]))
            slopes[f"slope.{name}"] = np.array((losses[0] - losses[1]) / (2 * _DIFFERENCE_STEP))
        self.side.load(start, None)
        return slopes

    def optimizer(self) -> Arrays:
        """Steps with given gradients: the optimiser alone, and its state after each of ``saved_steps``."""
        answers, read_back = {}, []
        for step, learning_rate in enumerate(self.request.learning_rates):
            gradients = injected_gradients(self.request.recipe, step, self.request.dtype)
            read_back.append(self.side.step(learning_rate, gradients))
            answers |= self._saved_state("optimizer", step + 1)
        return answers | {"optimizer.learning_rates": np.array(read_back)}

    def trajectory(self) -> Arrays:
        """Training steps with the given batches, masks and learning rates."""
        answers, losses, codes = {}, [], []
        for step, result in self._steps():
            losses.append(result["loss"])
            codes.append(np.sign(result["feature"]).astype(np.int8))
            answers |= self._saved_state("trajectory", step + 1)
        return answers | {"trajectory.losses": np.array(losses), "trajectory.codes": np.stack(codes)}

    def digests(self) -> Arrays:
        """SHA-256 of weights and momentum after each training step, uint8 (steps, 32)."""
        answers, digests = {}, []
        for step, _ in self._steps():
            digest = weights.state_digest(self.side.weights(), self.side.momentum())
            digests.append(np.frombuffer(bytes.fromhex(digest), np.uint8))
            answers |= self._saved_state("trajectory", step + 1)
        found = np.array(digests, np.uint8).reshape(-1, 32)
        return answers | {"digests": found, "numpy": np.array(np.__version__)}

    def learning_rates(self) -> Arrays:
        recipe = self.request.recipe
        return {
            "learning_rates": np.array(
                [self.side.set_learning_rate(recipe.learning_rate_at(epoch)) for epoch in range(1, recipe.epochs + 1)]
            )
        }

    def codes(self) -> Arrays:
        pixels = self._normalised.astype(self.request.dtype)
        return {"features": self.side.forward(pixels, None, training=False)["hash"]}

    def exported(self) -> Arrays:
        return self.side.exported(self.arrays["images"])

    def score(self) -> Arrays:
        result = evaluate(*(self.arrays[f"score.{name}"] for name in ("queries", "query_labels", "items", "labels")))
        return {"average precision": result.ap_expected, "best": result.ap_best, "worst": result.ap_worst}

    def _steps(self) -> Iterator[tuple[int, Arrays]]:
        """Train; each step with what its batch gave."""
        for step in range(self.request.first_step, self.request.first_step + self.request.num_steps):
            result = self.side.backward(*self.batch(step))
            self.side.step(self.request.learning_rates[step])
            yield step, result

    def _state(self, prefix: str) -> Arrays:
        return {name: array.astype(self.request.dtype) for name, array in take(self.arrays, prefix).items()}

    def _saved_state(self, part: str, step: int) -> Arrays:
        if step not in self.request.saved_steps:
            return {}
        state = prefixed(WEIGHT, self.side.weights()) | prefixed(MOMENTUM, self.side.momentum())
        return prefixed(f"{part}.{step}.", state)


# fmt: off
PARTS: dict[str, Callable[[Probe], Arrays]] = {
    "inputs": Probe.inputs, "pixels": Probe.pixels, "weights": Probe.weights, "forward": Probe.forward,
    "stages": Probe.stages, "gradients": Probe.gradients, "image_losses": Probe.image_losses,
    "differences": Probe.differences,
    "optimizer": Probe.optimizer, "trajectory": Probe.trajectory, "digests": Probe.digests,
    "learning_rates": Probe.learning_rates, "codes": Probe.codes, "score": Probe.score, "exported": Probe.exported,
}
# fmt: on


def directions(recipe: Recipe, gradients: Arrays) -> Arrays:
    """One unit direction, float64, per parameter: halfway between a random one and that of its gradient.

    A random one alone is almost at a right angle to the gradient of a large parameter, and its slope almost 0.
    """
    generator = np.random.RandomState(recipe.seed)
    drawn = {p.name: _unit(generator.standard_normal(p.shape)) for p in parameters(recipe)}
    return {name: _unit(random + _unit(gradients[name])) for name, random in drawn.items()}


def _unit(array: np.ndarray) -> np.ndarray:
    return array / max(np.linalg.norm(array), np.finfo(np.float64).tiny)


def injected_gradients(recipe: Recipe, step: int, dtype: str) -> Arrays:
    """Random gradients of one optimiser step, the same for both sides and for the NumPy reference."""
    generator = np.random.RandomState([recipe.seed, step])
    return {p.name: generator.uniform(-0.1, 0.1, p.shape).astype(dtype) for p in parameters(recipe)}


def run_probes(
    files: list[Path],
    out: Path,
    make_side: Callable[[Recipe, str], Side],
    inject: Callable[[str], None] | None = None,
) -> None:
    """Answer each request file with a file of the same name in ``out``; ``inject`` injects a fault by its name."""
    for file in files:
        request, arrays = load_request(file)
        if request.fault:
            inject(request.fault)
        save_arrays(out / file.name, Probe(request, arrays, make_side(request.recipe, request.dtype)).answer())


def take(arrays: Mapping[str, np.ndarray], prefix: str) -> Arrays:
    """The arrays whose names begin with ``prefix``, without it; no other is read from a file."""
    return {name.removeprefix(prefix): arrays[name] for name in arrays if name.startswith(prefix)}


def prefixed(prefix: str, arrays: Mapping[str, np.ndarray]) -> Arrays:
    """The same arrays with ``prefix`` before their names."""
    return {prefix + name: array for name, array in arrays.items()}
