"""How long runs will take, from a few training steps and encodings of each framework on its device."""

import math
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from compare.frameworks.records import FRAMEWORKS
from compare.frameworks.worker import Worker
from compare.speed.bench_folder import prepare
from compare.speed.code_samples import codes_of
from shared.codes.encoding import BATCH_SIZE
from shared.config.recipe import Recipe
from shared.data import cifar
from shared.data.identity import CIFAR10
from shared.scoring.code_scores import map_scores
from shared.system.progress import Progress
from shared.training.batches import batches_of_epoch, steps_per_epoch
from shared.training.departures import departures
from shared.training.ranks import ALONE

STEPS, ENCODINGS = 3, 2
_FEW = 100


@dataclass(frozen=True)
class Pace:
    """Seconds of one framework: to start, of a training step, to make the encoder, and to encode a full batch."""

    start: float
    step: float
    encoder: float
    encode: float


@dataclass(frozen=True)
class Common:
    """Seconds of what all frameworks have in common: drawing an epoch's batches, and an evaluation's scores."""

    batches: float
    scores: float


@dataclass(frozen=True)
class Work:
    """What a run of a recipe does: images of an epoch, and images encoded each time it is scored."""

    recipe: Recipe
    trained: int
    encoded: int

    def seconds(self, pace: Pace, common: Common, epochs_done: int = 0) -> float:
        """Of the epochs after ``epochs_done``."""
        epochs = range(epochs_done + 1, self.recipe.epochs + 1)
        training = len(epochs) * (steps_per_epoch(self.recipe, self.trained) * pace.step + common.batches)
        evaluations = sum(map(self.recipe.evaluates, epochs))
        encoding = evaluations * (math.ceil(self.encoded / BATCH_SIZE) * pace.encode + common.scores)
        return pace.start + pace.encoder + training + encoding


def work_of(recipe: Recipe, dataset: cifar.Dataset | None) -> Work:
    """That of a recipe on its ``dataset``; None is CIFAR-10, which is not here yet."""
    if dataset is None:
        rule, images = recipe.rule, len(CIFAR10.classes) * sum(CIFAR10.counts)
        trained, queries = recipe.num_classes * rule.train, recipe.num_classes * rule.query
        database = {"train+rest": images - queries, "rest": images - queries - trained, "train": trained}
        return Work(recipe, trained, queries + database[rule.database])
    split = cifar.split_for(dataset, recipe)
    return Work(recipe, len(split.train), len(split.query) + len(split.database))


def measure(workers: Sequence[Worker], recipe: Recipe, device: str, progress: Progress) -> dict[str, Pace]:
    """The pace of each framework on ``device``; raises what starting and asking a worker raises."""
    data = cifar.DIGITS if recipe.dataset == cifar.DIGITS else None
    paces = {}
    with tempfile.TemporaryDirectory() as scratch:
        _, options = prepare(recipe, data, device, Path(scratch))
        for worker in workers:
            progress.note(f"measuring {STEPS} training steps of {FRAMEWORKS[worker.framework].title} on {device}")
            with closing(worker.dialogue(["bench", *options])) as dialogue:
                dialogue.ask("step")  # the first makes its kernels ready
                steps = [dialogue.ask("step")["step"] for _ in range(STEPS)]
                encoder = dialogue.ask("encode")["encoder"]
                encodings = [dialogue.ask("encode")["encode"] for _ in range(ENCODINGS)]
                paces[worker.framework] = Pace(dialogue.seconds_to_start, median(steps), encoder, median(encodings))
    return paces


def measure_common(work: Work) -> Common:
    """What is computed on this machine's CPU, whatever the framework; scores are those of made-up codes."""
    argsort = not departures(work.recipe)
    map_scores(codes_of(_FEW, work.recipe.bits), argsort=argsort)  # its kernels are compiled
    codes = codes_of(work.encoded, work.recipe.bits)
    batches = _seconds(lambda: batches_of_epoch(work.recipe, np.arange(work.trained), 1, ALONE))
    return Common(batches, _seconds(lambda: map_scores(codes, argsort=argsort)))


def _seconds(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started
