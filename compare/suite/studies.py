"""Further suites that show what the differences of a suite are made of: its A/A controls and its study of variance."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from compare.frameworks.records import reference
from compare.frameworks.worker import Worker
from compare.suite.suite import Suite
from shared.config.recipe import BASE_SEED, SEEDED, Recipe
from shared.system.errors import UserError
from shared.system.machine import num_threads

CONTROLS = ("threads", "dropout", "last-place")


def control_folder(out: Path, kind: str) -> Path:
    """Where the runs of a control in ``CONTROLS`` are."""
    return out / "control" / kind


def variance_folder(out: Path, part: str) -> Path:
    """Where the runs are in which one part of ``shared.config.recipe.SEEDED`` alone follows the seed."""
    return out / "variance" / part


def controls(suite: Suite) -> list[Suite]:
    """The suite's runs thrice more: on other threads, with each framework's own dropout, with one weight changed.

    That weight starts one unit in the last place away. None of this should matter, so they show how far a framework's
    mAP is from itself (A/A). Raises UserError for a suite whose dropout is the frameworks' own already.
    """
    if suite.recipe.dropout != "shared":
        raise UserError("--control: expected --dropout shared, since a third of it is the same with native dropout")
    other_threads = [dataclasses.replace(worker, threads=_other_threads(worker)) for worker in suite.workers]
    return [
        dataclasses.replace(
            suite,
            out=control_folder(suite.out, kind),
            recipe=control_recipe(suite.recipe, kind),
            workers=other_threads if kind == "threads" else suite.workers,
        )
        for kind in CONTROLS
    ]


def control_recipe(recipe: Recipe, kind: str) -> Recipe:
    """The recipe of the runs of a control in ``CONTROLS``, given that of the suite."""
    other_weight = 0 if recipe.last_place else 1  # where the suite's own has changed it is changed back
    changed = {"threads": {}, "dropout": {"dropout": "native"}, "last-place": {"last_place": other_weight}}
    return dataclasses.replace(recipe, **changed[kind])


def families(suite: Suite, frameworks: Sequence[str]) -> list[Suite]:
    """For each of ``SEEDED`` a suite of one framework in which that part alone follows the seeds.

    That is the reference where ``frameworks``, those of the whole suite, have it: its seeds contribute what the others'
    do, as all draw the same. For a single run of another framework there is nothing to do. The run with
    ``BASE_SEED`` is left out, as it is the suite's own. Raises UserError when no two runs would be left to see a spread
    from.
    """
    chosen = reference().key if reference().key in frameworks else frameworks[0]
    seeds = [seed for seed in suite.seeds if seed != BASE_SEED]
    if len(suite.seeds) < 2:
        raise UserError(
            f"--variance: expected several --seeds, as each is a run of every family, received {suite.seeds}"
        )
    return [
        dataclasses.replace(
            suite,
            out=variance_folder(suite.out, part),
            recipe=dataclasses.replace(suite.recipe, seeded=(part,)),
            seeds=seeds,
            workers=[worker for worker in suite.workers if worker.framework == chosen],
        )
        for part in SEEDED
    ]


def _other_threads(worker: Worker) -> int:
    return 1 if (worker.threads or num_threads()) > 1 else 2
