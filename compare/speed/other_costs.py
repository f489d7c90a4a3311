"""What a run costs beside training and encoding: files, conversion, score, starting, each measured where it happens."""

import time
from collections.abc import Callable
from pathlib import Path

from compare.conversion.convert import write as write_checkpoint
from compare.frameworks.records import FRAMEWORKS
from compare.frameworks.worker import Worker
from compare.speed.code_samples import codes_of
from compare.speed.measured import Configuration, Measured
from shared.checkpoint import weights
from shared.checkpoint.checkpoint import Checkpoint, read_checkpoint
from shared.checkpoint.names import OURS
from shared.codes.codes import Codes
from shared.scoring.code_scores import map_scores, score_of
from shared.system.progress import Progress
from shared.training.departures import departures

_ITEMS = 59_000
_ROUNDS = 3


def measure(measured: Measured, workers: dict[str, Worker], folder: Path, progress: Progress) -> None:
    """Add the seconds of conversion, codes and score to ``measured``; the last two are the same for all."""
    state = _trained_state(measured, folder)
    codes, argsort = codes_of(_ITEMS, measured.recipe.bits), not departures(measured.recipe)
    score_of(codes)  # its kernels are compiled
    for number in range(1, _ROUNDS + 1):
        for name, worker in workers.items():
            own_form = folder / f"state{FRAMEWORKS[name].checkpoint_suffix}"
            measured.add(Configuration(name, tuned=True), _conversion(state, own_form, worker))
        measured.add_common(_codes_and_score(codes, folder / "codes.npz", argsort))
        progress.update("files and score", number, _ROUNDS)


def _conversion(state: Checkpoint, target: Path, worker: Worker) -> dict[str, float]:
    written = _seconds(lambda: write_checkpoint(target, state, OURS, worker))
    return {"convert": written, "convert back": _seconds(lambda: read_checkpoint(target))}


def _codes_and_score(codes: Codes, path: Path, argsort: bool) -> dict[str, float]:
    saved = _seconds(lambda: codes.save(path))
    back = Codes.load(path)
    # as a run's end scores them: every mAP, then the other scores
    scores = _seconds(lambda: (map_scores(back, argsort=argsort), score_of(back).other_scores()))
    return {"codes": saved, "score": scores}


def _trained_state(measured: Measured, folder: Path) -> Checkpoint:
    """A checkpoint of the measured network's size."""
    arrays = weights.load(folder / "initial.safetensors")[0]
    return Checkpoint(arrays, arrays, epoch=1, learning_rate=measured.recipe.learning_rate_at(1))


def _seconds(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started
