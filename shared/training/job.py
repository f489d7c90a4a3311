"""One training run in a worker: the part of the work that is the same in both frameworks."""

import dataclasses
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, SupportsFloat

import numpy as np

from shared.checkpoint import checkpoint, weights
from shared.checkpoint.checkpoint import Checkpoint, read_checkpoint
from shared.codes.codes import Codes, encoded_index
from shared.codes.finite import NotFinite, check_losses
from shared.config.kernels import NATIVE
from shared.config.randomness import native_seed
from shared.config.recipe import Recipe
from shared.data.cifar import Dataset, Split
from shared.scoring.code_scores import columns_of_queries, map_scores, score_of
from shared.system.errors import Diverged
from shared.system.files import remove
from shared.system.progress import Progress
from shared.training.batches import Epoch, batches_of_epoch, steps_per_epoch
from shared.training.best import finish_best, forget_after, keep_if_best
from shared.training.departures import departures
from shared.training.ranks import ALONE, Ranks
from shared.training.result import result_of
from shared.training.resume import problem_of
from shared.training.runs import Run

_LOSSES = ("loss", "cross_entropy", "penalty")


class Encoded(NamedTuple):
    """Codes and the seconds it took to compute them."""

    codes: Codes
    seconds: float


# index int64 (N,) -> hash logits float32 (N, bits) and predicted classes int64 (N,)
EncodeImages = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def encode(encode_images: EncodeImages, dataset: Dataset, split: Split) -> Encoded:
    """Encode queries and database."""
    started = time.monotonic()
    hash_logits, predicted = encode_images(encoded_index(split))
    return Encoded(Codes.from_hash_logits(hash_logits, predicted, dataset, split), time.monotonic() - started)


@dataclass(frozen=True)
class Job:
    """What a framework needs in order to train, and where it reports.

    ``start`` is a checkpoint to go on from, unless the run folder holds a later state of its own. ``ranks`` are the
    processes that train together, of which the first alone records anything. ``keep_best``: the weights of the
    best-scoring epoch are kept beside the last. ``logger`` names another program's log that is written, too.
    """

    run: Run
    recipe: Recipe
    dataset: Dataset
    split: Split
    initial_weights: weights.Arrays
    device: str
    environment: dict
    progress: Progress
    start: Checkpoint | None = None
    ranks: Ranks = ALONE
    keep_best: bool = False
    logger: str | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch, the last one possibly smaller."""
        return steps_per_epoch(self.recipe, len(self.split.train))

    @property
    def beside_published(self) -> bool:
        """Whether a table shows the published numbers beside this run's, and with them its mAP by NumPy's argsort."""
        return not departures(self.recipe)

    def epoch(self, epoch: int) -> Epoch:
        """This rank's part of the batches of ``epoch`` (from 1)."""
        return batches_of_epoch(self.recipe, self.split.train, epoch, self.ranks)

    def native_seed(self, epoch: int) -> int:
        """What seeds the framework's own generator at the start of ``epoch``; each rank has its own."""
        return native_seed(self.recipe.seed_of("dropout"), epoch) + self.ranks.rank

    def mean_losses(self, epoch: int, sums: list[float]) -> list[float]:
        """Means over the training images from this rank's sums over those it saw in ``epoch``.

        Raises Diverged, on every rank, for a loss that is not finite.
        """
        means = [value / len(self.split.train) for value in self.ranks.total(sums)]
        check_losses(epoch, **dict(zip(_LOSSES, means, strict=True)))
        return means

    def report_step(self, step: int, epoch: int, loss: SupportsFloat) -> None:
        """Show progress after global ``step``; the loss is read from its device only when it is shown.

        Raises Diverged where it is not finite then.
        """
        done, total = step + 1, self.recipe.epochs * self.steps_per_epoch
        if self.progress.due("train", done, total):
            shown = float(loss)
            if self.ranks.size == 1:  # of several, one alone must not leave the others in the middle of a step
                check_losses(epoch, loss=shown)
            self.progress.update("train", done, total, epoch=epoch, lr=self.recipe.learning_rate_at(epoch), loss=shown)

    def state_or_start(self, state: Path) -> Checkpoint | None:
        """What training goes on from: the ``state`` that an earlier process saved, else the job's start, if any.

        A state that cannot be read, or that the log does not lead up to, is set aside with a note: its epochs are
        trained again, since the best epoch and all times come from the log.
        """
        if self.ranks.is_first and (problem := problem_of(state, self.run, self.recipe, self.start)):
            aside = state.with_name(f"set-aside-{state.name}")
            os.replace(state, aside)
            self.progress.note(f"  {problem}; set aside as {aside}, and the run begins anew")
        self.ranks.gather("the state is settled")
        return read_checkpoint(state) if state.exists() else self.start

    def resume_after(self, epoch: int) -> None:
        """Prepare the log for going on after ``epoch``, the last whose state was saved (0: from the start).

        UserError when the ranks do not agree on recipe and epoch.
        """
        self.ranks.check_same((self.recipe.digest(), epoch))
        forget_after(self.run, epoch)
        self.run.rewind_log(epoch)
        if epoch:
            self.progress.note(f"  going on after epoch {epoch}/{self.recipe.epochs}")

    def encode(self, encode_images: EncodeImages) -> Encoded:
        """Encode the queries and the database of this job, each rank its share.

        Raises Diverged, on every rank, where hash logits or logits are not finite.
        """

        def encode_share(index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return self.ranks.concatenate(*encode_images(index[self.ranks.share(len(index))]))

        try:
            return encode(encode_share, self.dataset, self.split)
        except NotFinite as error:
            raise Diverged(f"training diverged: {error}") from error

    def finish_epoch(
        self,
        epoch: int,
        learning_rate: float,
        mean_losses: Sequence[float],
        seconds: float,
        encoded: Encoded | None,
        state: Callable[[], Checkpoint],
    ) -> dict:
        """Log one epoch and return its record.

        ``learning_rate`` is read back from the optimiser; ``mean_losses`` are loss, cross-entropy and penalty over the
        epoch's images; ``seconds`` is training alone; ``state`` gives weights and momentum, where they are kept.
        """
        record = {"epoch": epoch, "lr": learning_rate, **dict(zip(_LOSSES, mean_losses, strict=True))}
        record |= {"seconds": seconds, "images_per_second": len(self.split.train) / seconds}
        if encoded is not None:
            record |= {
                "map": map_scores(encoded.codes, argsort=self.beside_published, topk=self.recipe.topk),
                "accuracy": encoded.codes.accuracy(),
                "encode_seconds": encoded.seconds,
            }
        if self.recipe.kernels != NATIVE:
            record |= _digests(state(), encoded)
        self.run.append_log(record)
        if self.keep_best and encoded is not None:
            keep_if_best(self.run, epoch, state, self._origin())
        self.progress.note("  " + describe_epoch(record, self.recipe), detail=True)
        if encoded is not None and (warning := encoded.codes.collapse):
            self.progress.note(f"  warning: epoch {epoch}: {warning}")
        return record

    def finish(self, encoded: Encoded, final: Checkpoint) -> None:
        """Write codes, checkpoint, queries and result, in this order, and remove the state saved for resuming.

        The scores come from the codes as read back from their file; ``final`` is the state after the last epoch.
        """
        encoded.codes.save(self.run.codes_file)
        checkpoint.save(self.run.checkpoint_file, dataclasses.replace(final, **self._origin()))
        if self.keep_best and (problem := finish_best(self.run)):
            self.progress.note(f"  {problem}")
        codes = Codes.load(self.run.codes_file, self.recipe.num_classes)
        score = score_of(codes, self.recipe.topk)
        self.run.write_queries(columns_of_queries(codes, score))
        self.run.write_result(result_of(self, codes, score, final.weights))
        remove(self.run.resume_folder)
        self.ranks.gather("the run is finished")

    def _origin(self) -> dict[str, str]:
        """The fields of a Checkpoint that say where it comes from."""
        return {"recipe": self.run.recipe_file.read_text(), "framework": self.environment["framework"]}


def _digests(state: Checkpoint, encoded: Encoded | None) -> dict[str, str]:
    """What shows whether another framework's run, by the same kernels, is the same to the last bit."""
    digests = {"parameters_sha256": weights.state_digest(state.weights, state.moments)}
    return digests if encoded is None else digests | {"codes_sha256": encoded.codes.digest()}


def scalars_of(record: Mapping[str, object]) -> dict[str, float]:
    """The numbers in an epoch's ``record`` that a logger draws: mAP among them, where it was scored."""
    scored = {"map": record["map"]["expected"]} if "map" in record else {}
    return {name: value for name, value in record.items() if isinstance(value, float)} | scored


def describe_epoch(record: Mapping[str, object], recipe: Recipe) -> str:
    """One line for one record of the ``log.jsonl`` of a run of ``recipe``."""
    text = f"epoch {record['epoch']}/{recipe.epochs} lr {record['lr']:.3g} loss {record['loss']:.4f}"
    text += f" (cross-entropy {record['cross_entropy']:.4f}, penalty {record['penalty']:.4f})"
    text += f" {record['images_per_second']:.0f} images/s"
    if "map" in record:
        text += f" {recipe.measure} {record['map']['expected']:.4f} accuracy {record['accuracy']:.4f}"
    return text
