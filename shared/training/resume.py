"""Whether training can go on from what an earlier process saved of a run."""

from pathlib import Path

from shared.checkpoint.checkpoint import Checkpoint, read_checkpoint
from shared.config.recipe import Recipe
from shared.system.errors import UserError, printable
from shared.training.runs import Run

_MOST_LETTERS = 300


def problem_of(state: Path, run: Run, recipe: Recipe, start: Checkpoint | None) -> str | None:
    """Why training cannot go on from ``state``; None where it can, or where there is none.

    The log must hold the epochs that lead up to it: from the first one, or from the one after ``start``.
    """
    if not (state.exists() or state.is_symlink()):
        return None
    try:
        saved = read_checkpoint(state)
        saved.check_resumable(recipe, str(state), ended=True)
        logged = [record["epoch"] for record in run.log() if record["epoch"] <= saved.epoch]
    except UserError as error:
        return f"what was saved of the run cannot be read ({printable(error, _MOST_LETTERS)})"
    firsts = {1, start.epoch + 1} if start else {1}
    if logged not in [list(range(first, saved.epoch + 1)) for first in firsts]:
        epochs = ", ".join(map(str, logged)) or "none"
        return f"{run.log_file.name} does not hold the {saved.epoch} epochs that were trained, but {epochs}"
    return None
