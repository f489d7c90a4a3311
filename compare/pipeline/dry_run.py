"""What a benchmark would do: its runs, where they compute, what is finished, and how long the rest takes."""

import argparse
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from compare.speed.forecast import ENCODINGS, STEPS, measure, measure_common, work_of
from compare.suite.backbone import must_be_fetched, read_backbone
from compare.suite.cells import Cell, LocalExecutor, summary
from compare.suite.images import as_begun, data_at_hand, look_at_splits, with_data
from compare.suite.planning import Outline, outline
from compare.suite.suite import Executor, Suite
from shared.config.kernels import SHARED
from shared.config.recipe import FREE_FIELDS
from shared.data.cifar import Dataset
from shared.system.progress import Progress, format_seconds
from shared.training.runs import Run, run_of

_NO_IMAGES = Dataset("none", np.zeros((0, 1, 1, 3), np.uint8), np.zeros(0, np.int64))


def show_plan(
    arguments: argparse.Namespace,
    executor: Executor,
    studies: Callable[[Suite], Sequence[Suite]],
    progress: Progress,
) -> None:
    """Print what the same command would do without ``--dry-run``; nothing is trained, downloaded or written.

    Raises UserError for whatever that command would be refused for, as far as it is known without a download.
    """
    known = outline(arguments, executor, progress)
    suite, is_complete = _suite(arguments, known, progress)
    suites = [suite, *studies(suite)]
    for each in suites if is_complete else ():
        each.check()
    runs = [_Planned(suite, each, cell) for each in suites for cell in each.cells if arguments.cell in (None, cell)]
    to_do = [run for run in runs if not run.is_finished]
    seconds = _forecast(to_do, suite, executor, progress)
    for number, run in enumerate(runs, 1):
        print(f"[{number}/{len(runs)}] {run.describe(seconds.get(run))}")
    print(_total(runs, to_do, seconds, arguments))


@dataclass(frozen=True, eq=False)
class _Planned:
    """A run of the suite ``first`` or of one of its studies, ``own``."""

    first: Suite
    own: Suite
    cell: Cell

    @property
    def run(self) -> Run:
        return run_of(self.own.out, *self.cell)

    @property
    def is_finished(self) -> bool:
        return self.run.is_finished() and not self.is_replaced

    @property
    def is_replaced(self) -> bool:
        """Whether --force makes it anew, by another recipe."""
        return self.own.force and self.run.recipe_file.exists() and bool(self.run.clash(self.own.recipe, FREE_FIELDS))

    @property
    def epochs_done(self) -> int:
        return 0 if self.is_replaced else len(self.run.log())

    def describe(self, seconds: float | None) -> str:
        where = "" if self.own is self.first else f"{self.own.out.relative_to(self.first.out)}: "
        device = self.own.devices[self.cell.framework]
        return f"{where}{self.cell.describe()} on {device}: {self._state()}{_about(seconds)}"

    def _state(self) -> str:
        if self.is_finished:
            return f"finished, {summary(self.run)}"
        if self.is_replaced:
            return "to be replaced"
        done = f"{self.epochs_done} of {self.own.recipe.epochs} epochs finished"
        return f"begun, {done}" if self.epochs_done else "to train"


def _suite(arguments: argparse.Namespace, known: Outline, progress: Progress) -> tuple[Suite, bool]:
    """The suite as far as it is known without a download, and whether that is everything."""
    recipe, data, backbone = known.recipe, data_at_hand(arguments.data, known.recipe.preset), None
    dataset = _NO_IMAGES
    if data is None:
        progress.note("CIFAR-10 is to be downloaded first (170 MB); --data names a copy")
    else:
        recipe, dataset = with_data(recipe, data, arguments.label, progress, arguments.skip_unreadable)
        look_at_splits(recipe, dataset, data, arguments.seeds, arguments.strict_split, progress)
        recipe = recipe if arguments.force else as_begun(recipe, known.out, arguments.label)
    choice = arguments.backbone_weights or recipe.backbone
    if must_be_fetched(choice):
        progress.note(
            "torchvision's AlexNet weights are to be downloaded first (244 MB); --backbone-weights names a copy"
        )
    else:
        recipe, backbone = read_backbone(choice, recipe, known.workers)
    return known.suite(
        arguments, recipe, dataset, data or "", backbone or {}
    ), data is not None and backbone is not None


def _forecast(to_do: list[_Planned], suite: Suite, executor: Executor, progress: Progress) -> dict[_Planned, float]:
    """Seconds of each run that is not finished; none where this machine does not execute them."""
    if not to_do or not isinstance(executor, LocalExecutor):
        return {}
    recipe = dataclasses.replace(suite.recipe, bits=max(suite.bits))
    work = work_of(recipe, suite.dataset if len(suite.dataset.labels) else None)
    common, seconds = measure_common(work), {}
    for kernels in dict.fromkeys(map(_kernels_timed, to_do)):
        runs = [run for run in to_do if _kernels_timed(run) == kernels]
        workers = [worker for worker in suite.workers if any(run.cell.framework == worker.framework for run in runs)]
        timed = dataclasses.replace(recipe, kernels=kernels)
        paces = measure(workers, timed, suite.devices[workers[0].framework], progress)
        seconds |= {run: work.seconds(paces[run.cell.framework], common, run.epochs_done) for run in runs}
    return seconds


def _kernels_timed(run: _Planned) -> str:
    """The kernels whose pace stands for the run's: the suite's, or all shared for those of a study of rounding."""
    own, first = run.own.recipe.kernels, run.first.recipe.kernels
    return own if own == first else SHARED


def _total(
    runs: list[_Planned], to_do: list[_Planned], seconds: dict[_Planned, float], arguments: argparse.Namespace
) -> str:
    told = f"{len(runs)} run{'s' * (len(runs) != 1)}, {len(runs) - len(to_do)} finished{_about(sum(seconds.values()))}"
    if seconds:
        told += f", by {STEPS} training steps and {ENCODINGS} encodings of each framework in one process"
    elif to_do:
        told += ", without a forecast: a Ray cluster executes the rest"
    ladder = "" if arguments.skip_align else "; the alignment ladder comes first"
    return f"{told}{ladder}. Nothing was trained or written: leave out --dry-run for that"


def _about(seconds: float | None) -> str:
    return f", about {format_seconds(seconds)} to go" if seconds else ""
