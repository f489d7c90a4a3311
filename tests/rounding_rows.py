"""The finished runs of a study of rounding, without training, with scores of the test's choice."""

import dataclasses

from compare.suite.rounding import (
    CASES,
    FLOOR,
    Difference,
    checkpoints_of,
    compared_runs,
    difference_file,
    rounding_folder,
    rounding_recipe,
)
from shared.config.recipe import PRESETS
from tests.rows import finish, plan

DEMO = dataclasses.replace(PRESETS["demo"], bits=12)
SEEDS = (2000, 2001, 2002)
# case -> what each seed's first run has above the second; the other cases: nothing at all
STEPS = {
    "last-place-1": (0.004, -0.002, 0.001),
    "last-place-2": (-0.003, 0.005, 0.002),
    "last-place-3": (0.001, 0.001, -0.004),
    "last-place-4": (-0.002, 0.003, 0.005),
    "native": (0.003, -0.004, 0.002),
    "shared-conv.fwd": (0.02, 0.03, 0.01),
}
# of the shared runs, which all others start from; native ones are elsewhere
BASE = {2000: 0.90, 2001: 0.95, 2002: 0.85}
NATIVE_BASE = 0.01


def finish_study(out, seeds=SEEDS, cases=CASES):
    """Write suite.json and the runs of these ``cases``, each with how its runs part."""
    plan(out, seeds=SEEDS)
    for seed in seeds:
        for case in cases:
            _finish_case(out, case, seed, STEPS.get(case, (0.0,) * len(SEEDS))[SEEDS.index(seed)])
    for seed in seeds:
        for case in cases:
            runs = compared_runs(out, case, 12, seed)
            parting_of(case, seed, checkpoints_of(*runs)).write(difference_file(out, case, 12, seed))


def parting_of(case, seed, checkpoints):
    """Each number says which case and seed it is of; nothing differs where the scores do not."""
    if case not in STEPS:
        return Difference(checkpoints, None, 50, {1: 0.0, 50: 0.0, 480: 0.0}, 0.0)
    place, number = list(STEPS).index(case), SEEDS.index(seed)
    apart = 1 + place + number
    return Difference(checkpoints, 1 + number, 50, {1: apart * 1e-9, 50: apart * 1e-4, 480: apart * 1e-2}, apart / 1000)


def _finish_case(out, case, seed, step):
    recipe = dataclasses.replace(rounding_recipe(DEMO, case), seed=seed)
    folder, base = rounding_folder(out, case), BASE[seed] + (NATIVE_BASE if case == "native" else 0)
    first = "torch" if case in FLOOR else "paddle"
    finish(folder, recipe, first, base + step, checkpoint_sha256=f"{case}-first-{seed}")
    if case not in FLOOR:
        finish(folder, recipe, "torch", base, checkpoint_sha256=f"{case}-second-{seed}")
