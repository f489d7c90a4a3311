"""One cell of the suite (a framework, a bit length, a seed), and running cells one after the other."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from compare.frameworks.records import FRAMEWORKS, reference
from compare.frameworks.worker import Worker
from compare.suite.remaining import RunProgress, total_seconds
from shared.config.recipe import BASE_SEED
from shared.system.errors import UserError, WorkerDied
from shared.system.progress import Progress, format_seconds
from shared.training.runs import Run, run_of


class Cell(NamedTuple):
    """A framework at one bit length and seed; written ``FRAMEWORK:12:2000``."""

    framework: str
    bits: int
    seed: int

    def __str__(self) -> str:
        return f"{self.framework}:{self.bits}:{self.seed}"

    def describe(self) -> str:
        """Its framework by its full name, and "12 bits, seed 2000"."""
        return f"{FRAMEWORKS[self.framework].title}, {self.bits} bits, seed {self.seed}"


def parse_cell(text: str) -> Cell:
    """The cell written as ``text``; UserError when it is none."""
    framework, *numbers = text.split(":")
    if framework not in FRAMEWORKS or len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
        example = Cell(reference().key, 12, BASE_SEED)
        raise UserError(f"--cell: expected FRAMEWORK:BITS:SEED such as {example}, received {text!r}")
    return Cell(framework, *map(int, numbers))


@dataclass(frozen=True)
class Task:
    """Everything a process, on this machine or another, needs in order to run a cell whose folder is prepared."""

    cell: Cell
    number: str  # "[3/8]"
    worker: Worker
    device: str
    out: Path
    data: str
    train_options: tuple[str, ...] = ()
    later: tuple[str, ...] = ()  # the frameworks of the runs that follow

    @property
    def run(self) -> Run:
        """The cell's run folder."""
        return run_of(self.out, *self.cell)

    @property
    def initial_weights(self) -> Path:
        """The file that every framework starts from."""
        return self.out / "init" / f"bits{self.cell.bits}-seed{self.cell.seed}.safetensors"

    def execute(self, progress: Progress) -> str:
        """Train and score, from the last finished epoch if there is one; a line that sums up the result.

        Raises UserError for bad input and WorkerDied for any other failure of the worker.
        """
        started = time.monotonic()
        options = {
            "--run": self.run.folder,
            "--data": self.data,
            "--initial-weights": self.initial_weights,
            "--device": self.device,
        }
        arguments = [str(argument) for pair in options.items() for argument in pair]
        self.worker.run(["train", *arguments, *self.train_options], self.run.worker_log_file, progress)
        return f"{summary(self.run)}, {format_seconds(time.monotonic() - started)} in all"


def summary(run: Run) -> str:
    """ "mAP 0.9746, accuracy 0.9860": a finished run in a few words."""
    result = run.result()
    return f"{run.recipe().measure} {result['map_last']['expected']:.4f}, accuracy {result['accuracy']:.4f}"


class LocalExecutor:
    """Runs cells on this machine, one after the other."""

    def __init__(self) -> None:
        # framework -> seconds of its last whole run
        self._seconds: dict[str, float] = {}

    def info(self, worker: Worker, device: str) -> dict:
        """The worker's ``info`` where cells run; raises UserError or WorkerDied if it cannot be used."""
        return worker.info(device)

    def run(self, tasks: Iterable[Task], progress: Progress) -> list[WorkerDied]:
        """Execute all tasks; the deaths of workers, none of which keeps the others from running.

        Raises UserError at the first bad input.
        """
        died = []
        for task in tasks:
            shown = RunProgress(progress, task.later, self._seconds)
            progress.note(f"{task.number} {task.cell.describe()} on {task.device}")
            try:
                progress.note(f"  {task.execute(shown)}{self._left_after(task, shown)}")
            except WorkerDied as error:
                progress.note("  its worker died")
                died.append(error)
        return died

    def _left_after(self, task: Task, shown: RunProgress) -> str:
        """What is left of the suite after a run; its time counts for those of its framework that follow."""
        whole = shown.whole_seconds()
        if whole is None:
            return ""
        self._seconds[task.cell.framework] = whole
        left = total_seconds(task.later, self._seconds, whole)
        return f"; about {format_seconds(left)} left for the suite" if task.later else ""

    def close(self) -> None:
        """There is nothing to release."""
