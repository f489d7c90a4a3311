"""The weights of the best-scoring epoch, kept beside the last; they are chosen on the queries, and say so.

While a run trains, the states of epochs that scored best so far lie in its resume folder. An older one goes only when a
later epoch begins to be recorded, so that a process that goes on from the last saved state finds the one that fits it.
"""

import dataclasses
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from shared.checkpoint import checkpoint
from shared.checkpoint.checkpoint import Checkpoint
from shared.system.files import remove
from shared.training.runs import Run

CHOSEN = "the best-scoring epoch, chosen on the queries"
_NAME = re.compile(r"best-(\d{1,7})\.safetensors", re.ASCII)


def best_epoch(log: Sequence[dict]) -> int | None:
    """The first epoch of the highest mAP in a run's ``log``; None where none was scored."""
    scored = [record for record in log if "map" in record]
    return max(scored, key=lambda record: record["map"]["expected"])["epoch"] if scored else None


def forget_after(run: Run, epoch: int) -> None:
    """Drop what was kept of epochs after ``epoch``, which are trained again."""
    _remove(run, lambda kept: kept > epoch)


def keep_if_best(run: Run, epoch: int, state: Callable[[], Checkpoint], origin: dict[str, str]) -> None:
    """Keep the ``state`` after ``epoch``, whose record is the log's last, where it scored best.

    ``origin`` are the fields of a Checkpoint that say where it comes from.
    """
    log = run.log()
    before = best_epoch(log[:-1])
    _remove(run, lambda kept: kept != before)
    if best_epoch(log) == epoch:
        checkpoint.save(_file(run, epoch), dataclasses.replace(state(), **origin, chosen=CHOSEN))


def finish_best(run: Run) -> str | None:
    """Put the best epoch's state beside the last epoch's; why there is none, where it was not kept in time."""
    epoch = best_epoch(run.log())
    if _file(run, epoch).exists():
        os.replace(_file(run, epoch), run.best_file)
    if run.best_file.exists():
        return None
    return f"--keep-best: epoch {epoch} scored best, before it was asked for: its weights were not kept"


def _file(run: Run, epoch: int) -> Path:
    return run.resume_folder / f"best-{epoch}.safetensors"


def _remove(run: Run, is_old: Callable[[int], bool]) -> None:
    for path in run.resume_folder.glob("best-*.safetensors"):
        if (match := _NAME.fullmatch(path.name)) and is_old(int(match[1])):
            remove(path)
