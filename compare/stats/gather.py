"""The finished runs of one suite or several, checked to belong together, with those of their studies."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from compare.ladder.report import ALIGN_FILE, read_align
from compare.suite.cells import Cell
from compare.suite.grid import Grid, joined, read_grid
from compare.suite.rounding import CASES, Difference, known_difference, rounding_folder, rounding_recipe
from compare.suite.run_folders import finished_runs, placed_result
from compare.suite.studies import CONTROLS, control_folder, control_recipe, variance_folder
from shared.config.kernels import NATIVE
from shared.config.recipe import FREE_FIELDS, SEEDED, Recipe, differing_settings
from shared.system.errors import UserError
from shared.training.runs import Run


@dataclass(frozen=True)
class Gathered:
    """``grid``: what the suites plan together. ``controls`` and ``families``: kind or part -> its runs.

    ``rounding``: case of the study of rounding -> its runs, ``native`` being the suites' own; ``partings``: case, bits
    and seed -> how its two runs part. ``alignments`` are the verdicts of the suites' ladders.
    """

    grid: Grid
    runs: list[Run]
    controls: dict[str, list[Run]]
    families: dict[str, list[Run]]
    rounding: dict[str, list[Run]]
    partings: dict[tuple[str, int, int], Difference]
    alignments: list[str]


def gather(outs: Sequence[Path]) -> Gathered:
    """Read the suites' folders.

    Raises UserError for a folder without suite.json, for a cell that two suites have, for recipes that differ in more
    than bits and seed, for pairs of other initial weights, and for runs whose weights did not move.
    """
    grid = joined([read_grid(out) for out in outs])
    runs = _finished(outs)
    controls = {kind: _finished([control_folder(out, kind) for out in outs]) for kind in CONTROLS}
    families = {part: _finished([variance_folder(out, part) for out in outs]) for part in SEEDED}
    rounding = {case: _finished([rounding_folder(out, case) for out in outs]) for case in CASES if case != NATIVE}
    if runs:
        recipe = runs[0].recipe()
        _check_recipes(runs, recipe)
        for kind, control in controls.items():
            _check_recipes(control, control_recipe(recipe, kind))
        for part, family in families.items():
            _check_recipes(family, dataclasses.replace(recipe, seeded=(part,)))
        for case, studied in rounding.items():
            if studied:
                _check_recipes(studied, rounding_recipe(recipe, case))
    for paired in (runs, *rounding.values()):
        _check_pairs(paired)
    ladders = [read_align(out)["verdict"] for out in outs if (out / ALIGN_FILE).exists()]
    partings = _partings(outs, grid) if any(rounding.values()) else {}
    return Gathered(grid, runs, controls, families, {**rounding, NATIVE: runs}, partings, list(dict.fromkeys(ladders)))


def _partings(outs: Sequence[Path], grid: Grid) -> dict[tuple[str, int, int], Difference]:
    """Those that are measured; of the suite that has the case's two runs."""
    found = {}
    for out, case, (bits, seed) in product(outs, CASES, grid.pairs):
        if difference := known_difference(out, case, bits, seed):
            found[case, bits, seed] = difference
    return found


def _finished(outs: Sequence[Path]) -> list[Run]:
    """By framework, bit length and seed."""
    by_cell: dict[Cell, Run] = {}
    for suite, run in ((out, run) for out in outs for run in finished_runs(out)):
        result = placed_result(suite, run)
        first = by_cell.setdefault(Cell(result["framework"], result["bits"], result["seed"]), run)
        if first is not run:
            raise UserError(f"{run.folder} and {first.folder} are the same cell; leave one of the suites out")
    return [by_cell[cell] for cell in sorted(by_cell)]


def _check_recipes(runs: Sequence[Run], expected: Recipe) -> None:
    for run in runs:
        if differing := differing_settings(run.recipe(), expected, FREE_FIELDS):
            raise UserError(
                f"{run.folder}: expected the recipe of the other runs, received {differing}; runs of one table differ "
                "in bits and seed alone, so remove this folder, or give its runs a table of their own"
            )


def _check_pairs(runs: Sequence[Run]) -> None:
    """Runs of one length and seed must have started from the same recipe and weights, and must have moved."""
    origin: dict[tuple[int, int], tuple[str, str]] = {}
    for run in runs:
        result = run.result()
        if not result["weights_moved"] > 0:
            raise UserError(f"{run.folder}: the weights did not move in training; remove the folder and run again")
        pair = (result["recipe_digest"], result["initial_weights_sha256"])
        if origin.setdefault((result["bits"], result["seed"]), pair) != pair:
            raise UserError(
                f"{run.folder}: recipe or initial weights differ from the other framework's; remove both run folders "
                "and run again"
            )
