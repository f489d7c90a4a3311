"""The command that makes a run again, on any machine, from its recipe alone."""

import shlex

from shared.recipe import PRESETS, RELU_LAYERS, Recipe

# fields of the recipe that benchmark.py has an option for
_OPTIONS = ("protocol", "epochs", "eval_every", "dropout", "precision", "margin")


def rerun_command(recipe: Recipe, framework: str, threads: int | None) -> str:
    """The command line, to be given in the project's folder, for a run of a suite; ``threads`` where they are known.

    PATH and FILE stand in it for images and weights that only their owner has.
    """
    cell = f"{framework}:{recipe.bits}:{recipe.seed}"
    words = ["python", "compare/benchmark.py", "--preset", recipe.preset, "--bits", recipe.bits, "--seeds", recipe.seed]
    for name in _OPTIONS:
        if getattr(recipe, name) != getattr(PRESETS[recipe.preset], name):
            words += [f"--{name.replace('_', '-')}", getattr(recipe, name)]
    if recipe.preset != "demo":
        words += ["--data", "PATH", "--backbone-weights", _backbone(recipe)]
    words += ["--cell-cpus", threads] if threads else []
    return shlex.join(map(str, [*words, "--cell", cell]))


def _backbone(recipe: Recipe) -> str:
    if recipe.backbone != "imagenet":
        return "none" if recipe.backbone == "none" else "FILE"
    return "imagenet" if recipe.backbone_layers == RELU_LAYERS else "imagenet-conv"
