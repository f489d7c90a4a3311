"""The commands that repeat a run or a suite, on any machine, from its recipe."""

import shlex
from collections.abc import Mapping, Sequence

from compare.page.asked import asked_of
from compare.stats.gather import Gathered
from compare.suite.settings import backbone_option, options_for
from shared.config.recipe import Recipe
from shared.data.cifar import DIGITS
from shared.data.identity import CIFAR10


def rerun_command(recipe: Recipe, framework: str, environment: Mapping) -> str:
    """The command line, to be given in the project's folder, for a run of a suite; ``environment`` is its own.

    PATH and FILE stand in it for images and weights that only their owner has.
    """
    more = ["--cell", f"{framework}:{recipe.bits}:{recipe.seed}"]
    # --label says that the images are a copy of CIFAR-10; a single run does not record it
    more += ["--label", CIFAR10.title] if recipe.dataset == CIFAR10.name else []
    return _command(recipe, [recipe.bits], [recipe.seed], environment, more)


def suite_commands(gathered: Gathered) -> list[str]:
    """The same for a whole suite, which has a run at least, with its studies.

    One command for all lengths that share their seeds; the place is that of the first run. A study of fewer seeds,
    lengths or frameworks than the suite's has commands of its own, for the same folder.
    """
    first, grid = gathered.runs[0], gathered.grid
    environment = first.environment() if first.environment_file.exists() else {}
    label = ["--label", _label(first.recipe(), grid.label)] if grid.label else []
    return [
        _command(first.recipe(), asked.bits, asked.seeds, environment, [*asked.options, *label])
        for asked in asked_of(gathered)
    ]


def _label(recipe: Recipe, label: str) -> str:
    """``label``, with the data set's name where earlier versions told it by the number of images."""
    is_named = recipe.dataset != CIFAR10.name or CIFAR10.called.search(label)
    return label if is_named else CIFAR10.label(label)


def _command(recipe: Recipe, bits: Sequence[int], seeds: Sequence[int], environment: Mapping, more: list[str]) -> str:
    command = ["python", "compare/benchmark.py", "--preset", recipe.preset, "--bits", *bits, "--seeds", *seeds]
    command += options_for(recipe)
    command += ["--data", "PATH"] if recipe.dataset != DIGITS else []
    command += ["--backbone-weights", backbone_option(recipe)] if recipe.preset != "demo" else []
    return shlex.join(map(str, [*command, *_place(environment), *more]))


def _place(environment: Mapping) -> list:
    """Options for the device, processes and threads of a run, as far as ``environment`` records them."""
    counts = {name: environment.get(name, 1) for name in ("devices", "nodes")}
    arguments = ["--device", environment["device"]] if environment.get("device") else []
    arguments += [argument for name, count in counts.items() if count > 1 for argument in (f"--{name}", count)]
    arguments += ["--deterministic"] if environment.get("precision", {}).get("deterministic") else []
    threads = environment.get("framework_threads")
    # benchmark.py shares the threads out among a run's processes
    return [*arguments, "--cell-cpus", threads * counts["devices"]] if threads else arguments
