"""From a prepared run folder to the job of one rank."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import SupportsFloat

from shared.checkpoint import weights
from shared.checkpoint.checkpoint import Checkpoint, read_checkpoint
from shared.config.recipe import Recipe
from shared.data import cifar
from shared.data.cifar import Dataset, Split
from shared.data.collection import Reading
from shared.system.errors import UserError
from shared.system.progress import Progress
from shared.training.job import Encoded, Job
from shared.training.ranks import Ranks
from shared.training.runs import Run


class QuietJob(Job):
    """The job as every rank but the first has it: it trains and encodes its share, and records nothing."""

    def report_step(self, step: int, epoch: int, loss: SupportsFloat) -> None:
        """Leave the loss on its device."""

    def resume_after(self, epoch: int) -> None:
        self.ranks.check_same((self.recipe.digest(), epoch))

    def finish_epoch(
        self,
        epoch: int,
        learning_rate: float,
        mean_losses: Sequence[float],
        seconds: float,
        encoded: Encoded | None,
        state: Callable[[], Checkpoint],
    ) -> dict:
        return {}

    def finish(self, encoded: Encoded, final: Checkpoint) -> None:
        """Wait for the first rank."""
        self.ranks.gather("the run is finished")


def load_data(recipe: Recipe, data: str, progress: Progress | None = None) -> tuple[Dataset, Split]:
    """The data set and split a recipe was made for; UserError if ``data`` holds other images.

    Pictures that cannot be read are left out, as they may have been when the recipe was made.
    """
    reading = Reading.of(recipe, progress or Progress(), skip_unreadable=True)
    dataset = cifar.load_known(data, recipe.dataset, recipe.class_names, reading)
    if recipe.data_sha256 != dataset.digest():
        raise UserError(
            f"{data}: expected the images the recipe was made for (SHA-256 {recipe.data_sha256[:12]}), "
            f"received others ({dataset.digest()[:12]}); pass the same --data{''.join(f'; {n}' for n in dataset.notes)}"
        )
    parts = cifar.split_for(dataset, recipe, data)
    if recipe.split_sha256 != parts.digest():
        raise UserError(f"split: expected SHA-256 {recipe.split_sha256}, received {parts.digest()}")
    return dataset, parts


def open_job(
    folder: Path,
    data: str,
    initial_weights: Path | None,
    resume_from: Path | None,
    device: str,
    environment: dict,
    progress: Progress,
    ranks: Ranks,
    keep_best: bool = False,
    logger: str | None = None,
) -> Job:
    """The job in a prepared run folder; UserError if data, weights or checkpoint are not the recipe's.

    One of ``initial_weights`` and ``resume_from`` may be None; without the first, the checkpoint's weights stand for
    those the run began with.
    """
    run = Run(folder)
    recipe = run.recipe()
    start = read_checkpoint(resume_from) if resume_from else None
    if start:
        start.check_resumable(recipe, str(resume_from))
    initial = weights.load_exactly(initial_weights, recipe)[0] if initial_weights else start.weights
    dataset, parts = load_data(recipe, data, progress)
    kind = Job if ranks.is_first else QuietJob
    return kind(run, recipe, dataset, parts, initial, device, environment, progress, start, ranks, keep_best, logger)
