"""The commands that make a run or a suite again, on any machine, from its recipe."""

import shlex
from collections.abc import Sequence

from compare.evidence.gather import Gathered
from compare.execution.planning import RECIPE_OPTIONS
from shared.files import read_json
from shared.recipe import PRESETS, RELU_LAYERS, Recipe
from shared.runs import FRAMEWORKS


def rerun_command(recipe: Recipe, framework: str, threads: int | None) -> str:
    """The command line, to be given in the project's folder, for a run of a suite; ``threads`` where they are known.

    PATH and FILE stand in it for images and weights that only their owner has.
    """
    cell = f"{framework}:{recipe.bits}:{recipe.seed}"
    return _command(recipe, [recipe.bits], [recipe.seed], threads, ["--cell", cell])


def suite_command(gathered: Gathered) -> str:
    """The same for a whole suite, which has a run at least, with its controls and its study of variance."""
    first, plan = gathered.runs[0], gathered.plan
    threads = read_json(first.environment_file).get("framework_threads") if first.environment_file.exists() else None
    more = [] if set(plan["frameworks"]) == set(FRAMEWORKS) else ["--frameworks", *plan["frameworks"]]
    more += ["--control"] if any(gathered.controls.values()) else []
    more += ["--variance"] if any(gathered.families.values()) else []
    more += ["--label", plan["label"]] if plan["label"] else []
    return _command(first.recipe(), plan["bits"], plan["seeds"], threads, more)


def _command(recipe: Recipe, bits: Sequence[int], seeds: Sequence[int], threads: int | None, more: list[str]) -> str:
    words = ["python", "compare/benchmark.py", "--preset", recipe.preset, "--bits", *bits, "--seeds", *seeds]
    for name in RECIPE_OPTIONS:
        if getattr(recipe, name) != getattr(PRESETS[recipe.preset], name):
            words += [f"--{name.replace('_', '-')}", getattr(recipe, name)]
    if recipe.preset != "demo":
        words += ["--data", "PATH", "--backbone-weights", _backbone(recipe)]
    words += ["--cell-cpus", threads] if threads else []
    return shlex.join(map(str, [*words, *more]))


def _backbone(recipe: Recipe) -> str:
    if recipe.backbone != "imagenet":
        return "none" if recipe.backbone == "none" else "FILE"
    return "imagenet" if recipe.backbone_layers == RELU_LAYERS else "imagenet-conv"
