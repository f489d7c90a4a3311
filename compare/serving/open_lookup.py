"""From a suite's folder to what is served: which runs, their images and codes, and a worker for each framework."""

import argparse
from collections import defaultdict
from contextlib import ExitStack, closing
from pathlib import Path

from compare.frameworks.records import FRAMEWORKS
from compare.frameworks.worker import Worker, named_python
from compare.search.neighbours import index_codes
from compare.search.run_queries import FinishedRun, open_run
from compare.serving.answering import Answerer
from compare.serving.lookup import Lookup, Side
from compare.suite.run_folders import finished_runs
from shared.system.errors import UserError
from shared.system.machine import num_threads
from shared.training.runs import Run


def choose_runs(out: Path, bits: int | None, seed: int | None) -> dict[str, Run]:
    """The finished runs to serve, by framework: of one length and seed, which as many frameworks as possible have.

    Of several such the longest codes, then the lowest seed. Raises UserError when there is none.
    """
    recipes = [(run, run.recipe()) for run in finished_runs(out)]
    wanted: dict[tuple[int, int], dict[str, Run]] = defaultdict(dict)
    for run, recipe in recipes:
        if bits in (None, recipe.bits) and seed in (None, recipe.seed):
            wanted[recipe.bits, recipe.seed][run.framework] = run
    if not wanted:
        cells = sorted({(recipe.bits, recipe.seed) for _, recipe in recipes})
        available = ", ".join(f"{b} bits with seed {s}" for b, s in cells) or "none"
        options = {"bits": bits, "seed": seed}
        requested = "".join(f" --{name} {value}" for name, value in options.items() if value is not None)
        raise UserError(f"{out}: expected a finished run{requested}, found {available}; see benchmark.py --out")
    return wanted[max(wanted, key=lambda cell: (len(wanted[cell]), cell[0], -cell[1]))]


def open_lookup(arguments: argparse.Namespace, stack: ExitStack) -> Lookup:
    """Images, codes and workers of the chosen runs; ``stack`` ends the workers.

    Raises UserError when the images are not those of the runs, and when no framework can answer.
    """
    runs = _open_runs(arguments)
    first = next(iter(runs.values()))
    dataset, bits, seed = first.dataset, first.recipe.bits, first.recipe.seed
    absent = f"no finished run with {bits} bits, seed {seed}"
    sides, missing = [], {name: absent for name in FRAMEWORKS if name not in runs}
    for framework, run in runs.items():
        worker = Worker(framework, named_python(arguments, framework), max(1, num_threads() // len(runs)))
        try:
            sides.append(_open_side(worker, run, arguments.device, stack))
        except UserError as error:
            if worker.named:
                raise
            missing[framework] = str(error)
    if not sides:
        raise UserError("; ".join(f"{FRAMEWORKS[name].title}: {reason}" for name, reason in missing.items()))
    queries = first.codes.index[: first.codes.num_queries]
    return Lookup(first.recipe.preset, bits, seed, dataset, queries, sides, missing)


def _open_runs(arguments: argparse.Namespace) -> dict[str, FinishedRun]:
    """The chosen runs by framework, which must be of the same images."""
    out = arguments.out or arguments.run
    if out is None:
        raise UserError("expected OUT, the folder of a suite of benchmark.py, received none")
    chosen = choose_runs(out, arguments.bits, arguments.seed)
    runs = {name: open_run(chosen[name].folder, arguments.data) for name in FRAMEWORKS if name in chosen}
    if len({run.recipe.data_sha256 for run in runs.values()}) > 1:
        raise UserError(f"{out}: expected runs of the same images, received runs of different ones")
    return runs


def _open_side(worker: Worker, run: FinishedRun, device: str, stack: ExitStack) -> Side:
    arguments = ["--checkpoint", str(run.run.checkpoint_file), "--data", run.data, "--device", device]
    database = index_codes(run.codes, run.run.codes_file)
    return Side(worker.framework, stack.enter_context(closing(Answerer(worker, arguments))), database)
