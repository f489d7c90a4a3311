"""The finished runs of one suite or several, checked to belong together, with their controls and families."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from compare.execution.studies import CONTROLS, control_folder, variance_folder
from shared.errors import UserError
from shared.files import read_json
from shared.recipe import SEEDED, Recipe
from shared.runs import Run, finished_runs

ALIGN_FILE = "align.json"
# in which the runs of a suite may differ
_FREE_FIELDS = {"bits", "seed", "split_sha256"}


@dataclass(frozen=True)
class Gathered:
    """``plan``: what the suites' suite.json say together. ``controls`` and ``families``: kind or part -> its runs.

    ``alignments`` are the verdicts of the suites' ladders.
    """

    plan: dict
    runs: list[Run]
    controls: dict[str, list[Run]]
    families: dict[str, list[Run]]
    alignments: list[str]


def gather(outs: Sequence[Path]) -> Gathered:
    """Read the suites' folders.

    Raises UserError for a folder without suite.json, for a cell that two suites have, for recipes that differ in more
    than bits and seed, for pairs of other initial weights, and for runs whose weights did not move.
    """
    plan = _merged([read_json(out / "suite.json") for out in outs])
    runs = _finished(outs)
    controls = {kind: _finished([control_folder(out, kind) for out in outs]) for kind in CONTROLS}
    families = {part: _finished([variance_folder(out, part) for out in outs]) for part in SEEDED}
    if runs:
        recipe = runs[0].recipe()
        _check_recipes(runs, recipe)
        _check_recipes(controls["threads"], recipe)
        _check_recipes(controls["dropout"], dataclasses.replace(recipe, dropout="native"))
        for part, family in families.items():
            _check_recipes(family, dataclasses.replace(recipe, seeded=(part,)))
    _check_pairs(runs)
    ladders = [read_json(out / ALIGN_FILE)["verdict"] for out in outs if (out / ALIGN_FILE).exists()]
    return Gathered(plan, runs, controls, families, list(dict.fromkeys(ladders)))


def _merged(plans: Sequence[dict]) -> dict:
    merged = {name: _union(plan[name] for plan in plans) for name in ("bits", "seeds", "frameworks")}
    reasons = {name: reason for plan in plans for name, reason in plan["unavailable"].items()}
    labels = _union([plan["label"]] for plan in plans if plan.get("label"))
    unavailable = {name: reason for name, reason in reasons.items() if name not in merged["frameworks"]}
    return {**merged, "unavailable": unavailable, "label": "; ".join(labels)}


def _union(lists: Iterable[Iterable]) -> list:
    return list(dict.fromkeys(value for values in lists for value in values))


def _finished(outs: Sequence[Path]) -> list[Run]:
    """By framework, bit length and seed."""
    found: dict[tuple[str, int, int], Run] = {}
    for run in (run for out in outs for run in finished_runs(out)):
        recipe = run.recipe()
        other = found.setdefault((run.folder.parent.name, recipe.bits, recipe.seed), run)
        if other is not run:
            raise UserError(f"{run.folder} and {other.folder} are the same cell; leave one of the suites out")
    return [found[cell] for cell in sorted(found)]


def _check_recipes(runs: Sequence[Run], expected: Recipe) -> None:
    for run in runs:
        recipe = run.recipe()
        names = [field.name for field in dataclasses.fields(Recipe) if field.name not in _FREE_FIELDS]
        for name in names:
            if getattr(recipe, name) != getattr(expected, name):
                raise UserError(
                    f"{run.folder}: expected {name} {getattr(expected, name)!r}, as the other runs have it, received "
                    f"{getattr(recipe, name)!r}; runs of one table differ in bits and seed alone"
                )


def _check_pairs(runs: Sequence[Run]) -> None:
    """Both frameworks' runs of one cell must have started from the same recipe and weights, and must have moved."""
    origin: dict[tuple[int, int], tuple[str, str]] = {}
    for run in runs:
        result = run.result()
        if not result["weights_moved"] > 0:
            raise UserError(f"{run.folder}: the weights did not move in training; remove the folder and run again")
        pair = (result["recipe_digest"], result["initial_weights_sha256"])
        if origin.setdefault((result["bits"], result["seed"]), pair) != pair:
            raise UserError(f"{run.folder}: recipe or initial weights differ from the other framework's; use --force")
