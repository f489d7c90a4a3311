"""How two finished runs part: the first step that differs, how far their weights are apart, and their codes."""

import tempfile
from pathlib import Path

import numpy as np

from compare.ladder.same_bits_inputs import first_difference, training_request
from compare.suite.rounding import Difference, checkpoints_of
from compare.suite.suite import Suite
from shared.checkpoint import weights
from shared.codes.codes import Codes
from shared.data import cifar
from shared.network.initial import initial_weights
from shared.training.batches import steps_per_epoch
from shared.training.runs import Run
from shared.worker.probe import WEIGHT, Arrays, take

STEPS = 50
_SAVED = (1, 2, 5, 10, 20, STEPS)


def difference_of(suite: Suite, runs: tuple[Run, Run]) -> Difference:
    """How the first of two finished runs parts from the second, both of data, workers and backbone of the ``suite``.

    Their first steps, at most ``STEPS``, are trained again by each run's own framework, one after the other, on the
    CPU; the end of training is read from checkpoints and codes. Raises UserError and WorkerDied.
    """
    recipe = runs[1].recipe()
    train = cifar.split_for(suite.dataset, recipe, suite.data).train
    last = recipe.epochs * steps_per_epoch(recipe, len(train))
    steps = min(STEPS, last)
    saved = [step for step in _SAVED if step < last and step <= steps]
    with tempfile.TemporaryDirectory() as folder:
        files = [
            _answer(suite, run, train, steps, saved, Path(folder) / str(number)) for number, run in enumerate(runs)
        ]
        with np.load(files[0], allow_pickle=False) as ours, np.load(files[1], allow_pickle=False) as theirs:
            first = first_difference(ours, theirs)
            distances = {
                step: _distance(*(take(side, f"trajectory.{step}.{WEIGHT}") for side in (ours, theirs)))
                for step in saved
            }
    distances[last] = _distance(*(weights.load(run.checkpoint_file)[0] for run in runs))
    return Difference(checkpoints_of(*runs), first, steps, distances, _differing_bits(*runs))


def _answer(suite: Suite, run: Run, train: np.ndarray, steps: int, saved: list[int], folder: Path) -> Path:
    recipe = run.recipe()
    start = initial_weights(recipe, suite.backbone)
    request, arrays = training_request(recipe, suite.dataset, train, start, steps, saved)
    file = folder / "requests" / "steps.npz"
    request.save(file, arrays)
    (worker,) = (worker for worker in suite.workers if worker.framework == run.framework)
    worker.output_of_verb("probe", str(file), "--out", str(folder), "--device", "cpu")
    return folder / file.name


def _distance(ours: Arrays, theirs: Arrays) -> float:
    """The Euclidean distance of all weights over the length of ``theirs``, by sums in float64."""
    apart = sum(float(np.square(ours[name].astype(np.float64) - array).sum()) for name, array in theirs.items())
    size = sum(float(np.square(array.astype(np.float64)).sum()) for array in theirs.values())
    return float(np.sqrt(apart / size))


def _differing_bits(ours: Run, theirs: Run) -> float:
    """The share of the database's code bits that differ."""
    first, second = (Codes.load(run.codes_file, run.recipe().num_classes) for run in (ours, theirs))
    return float(first.differing_bits(second)[first.num_queries :].mean())
