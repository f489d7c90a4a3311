"""The run folders of a suite: one for each framework, bit length and seed."""

from pathlib import Path

from compare.frameworks.records import run_order
from compare.suite.cells import Cell
from shared.system.errors import UserError
from shared.training.runs import Run, run_of


def finished_runs(out: Path) -> list[Run]:
    """All finished runs of the suite in ``out``, by framework, bit length and seed."""
    runs = [(name, Run(file.parent)) for name in run_order() for file in (out / name).glob("bits*-seed*/result.json")]
    with_recipes = [(name, run.recipe(), run) for name, run in runs]
    return [run for _, _, run in sorted(with_recipes, key=lambda entry: (entry[0], entry[1].bits, entry[1].seed))]


def begun_runs(out: Path) -> list[Run]:
    """All runs of the suite in ``out`` that have a recipe, finished or not."""
    return [Run(file.parent) for name in run_order() for file in sorted((out / name).glob("bits*-seed*/recipe.json"))]


def placed_result(out: Path, run: Run) -> dict:
    """The result of a run in the suite ``out``; UserError for one of another cell than its folder's, and if damaged."""
    result = run.result()
    cell = Cell(result["framework"], result["bits"], result["seed"])
    if run.folder != run_of(out, *cell).folder:
        received = "{}, {} bits, seed {}".format(*cell)
        raise UserError(f"{run.folder}: expected the run that the folder is named for, received {received}")
    return result
