"""A suite: one run per framework, bit length and seed, with everything they share prepared beforehand."""

import dataclasses
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from compare.frameworks.records import FRAMEWORKS
from compare.frameworks.worker import Worker
from compare.suite.cells import Cell, LocalExecutor, Task, summary
from compare.suite.cluster import RayExecutor
from compare.suite.grid import SUITE_FILE, Grid, read_grid
from compare.suite.run_folders import begun_runs
from shared.checkpoint import weights
from shared.config.protocols import LISTED
from shared.config.recipe import FREE_FIELDS, Recipe
from shared.data import cifar
from shared.network.initial import initial_weights
from shared.system.errors import UserError, WorkerDied
from shared.system.files import folder_lock
from shared.system.machine import num_threads
from shared.system.progress import Progress
from shared.training.runs import LOGGERS, Run, run_of, threads_of

Executor = LocalExecutor | RayExecutor

_SECONDS_TO_MAKE_WEIGHTS = 600.0


@dataclass(frozen=True)
class Suite:
    """``recipe`` is complete but for bits, seed and split; ``workers`` are the frameworks that can run.

    ``train_options`` are further arguments of the workers' ``train``; ``label`` is the user's name for the data.
    ``loggers`` are asked of the workers that write them.
    """

    out: Path
    recipe: Recipe
    bits: list[int]
    seeds: list[int]
    workers: list[Worker]
    devices: dict[str, str]
    unavailable: dict[str, str]
    dataset: cifar.Dataset
    data: str
    backbone: weights.Arrays
    force: bool
    train_options: tuple[str, ...] = ()
    label: str = ""
    loggers: tuple[str, ...] = ()

    @property
    def frameworks(self) -> list[str]:
        """Those that can run."""
        return [worker.framework for worker in self.workers]

    @property
    def cells(self) -> list[Cell]:
        """All cells, in the order in which they run."""
        return [Cell(name, bits, seed) for seed, bits, name in product(self.seeds, self.bits, self.frameworks)]

    def is_finished(self) -> bool:
        """Whether every run of the suite has its result, by this recipe."""
        runs = [run_of(self.out, *cell) for cell in self.cells]
        return all(run.is_finished() and not run.clash(self.recipe, FREE_FIELDS) for run in runs)

    def check(self) -> None:
        """UserError when the folder holds a run that could not stand in one table with this suite's."""
        for run in self._remaining_runs():
            if differing := run.clash(self.recipe, FREE_FIELDS):
                raise UserError(
                    f"{run.folder} holds a run of another recipe ({differing}); choose another --out, or remove that "
                    "folder, or --force with its length and seed among --bits and --seeds to replace it"
                )

    def _remaining_runs(self) -> list[Run]:
        """Those in the folder that ``force`` does not replace."""
        replaced = {run_of(self.out, *cell).folder for cell in self.cells} if self.force else set()
        return [run for run in begun_runs(self.out) if run.folder not in replaced]

    @property
    def _threads(self) -> tuple[int, ...]:
        return tuple(sorted({worker.threads or num_threads() for worker in self.workers}))

    def _note_threads(self, progress: Progress) -> None:
        """Note where earlier runs in this folder used another number of threads than the coming ones."""
        planned = () if self.force or not (self.out / SUITE_FILE).exists() else read_grid(self.out).threads
        others = sorted({*planned, *threads_of(self._remaining_runs())} - {*self._threads})
        if others and not self.is_finished():
            before, now = (" and ".join(map(str, counts)) for counts in (others, self._threads))
            progress.note(
                f"note: {self.out}: number of threads so far {before}, from now on {now}; results depend on it, so set "
                "--cell-cpus to go on as before"
            )

    def run(self, executor: Executor, progress: Progress) -> None:
        """Train and score every run that is not finished; what is finished is kept. The folder must be ``locked``.

        Raises UserError before any training when a run folder holds another recipe, and WorkerDied, when the others
        have ended, if a worker died.
        """
        self._note_threads(progress)
        for cell in self.cells:
            self._prepare(cell)
        self._grid().write(self.out, anew=self.force)
        self._execute(self.cells, executor, progress)

    def run_cell(self, cell: Cell, executor: Executor, progress: Progress) -> None:
        """Train and score one run; the folder must be ``locked``, if only against whole suites. Raises like ``run``."""
        self._note_threads(progress)
        self._prepare(cell)
        self._execute([cell], executor, progress)

    def locked(self, shared: bool = False) -> AbstractContextManager:
        """Keeps other processes' suites out of the folder, and their single cells too unless ``shared``."""
        return folder_lock(self.out, shared=shared)

    def _execute(self, cells: list[Cell], executor: Executor, progress: Progress) -> None:
        if died := executor.run(self._tasks(cells, progress), progress):
            raise WorkerDied("\n".join(map(str, died)))

    def _prepare(self, cell: Cell) -> None:
        run_of(self.out, *cell).prepare(self._recipe_of(cell), self.force)

    def _recipe_of(self, cell: Cell) -> Recipe:
        recipe = dataclasses.replace(self.recipe, bits=cell.bits, seed=cell.seed)
        split = cifar.split_for(self.dataset, recipe, self.data)
        if recipe.protocol != LISTED:
            cifar.validate_split(split, self.dataset.labels, recipe.rule)
        return dataclasses.replace(recipe, split_sha256=split.digest())

    def _grid(self) -> Grid:
        seeds = dict.fromkeys(self.bits, self.seeds)
        return Grid(seeds, self.frameworks, self.unavailable, self.label, self._threads)

    def _tasks(self, cells: list[Cell], progress: Progress) -> Iterator[Task]:
        """The cells that are not finished, each with its initial weights in place."""
        workers = {worker.framework: worker for worker in self.workers}
        for number, cell in enumerate(cells, 1):
            title, run = f"[{number}/{len(cells)}]", run_of(self.out, *cell)
            if run.is_finished():
                progress.note(f"{title} {cell.describe()}: kept, {summary(run)}")
                continue
            worker, device = workers[cell.framework], self.devices[cell.framework]
            later = tuple(other.framework for other in cells[number:] if not run_of(self.out, *other).is_finished())
            task = Task(cell, title, worker, device, self.out.absolute(), self.data, self._options_of(cell), later)
            self._make_initial_weights(task, progress)
            yield task

    def _options_of(self, cell: Cell) -> tuple[str, ...]:
        own = [name for name in self.loggers if LOGGERS[name] == FRAMEWORKS[cell.framework].module]
        return (*self.train_options, *(word for name in own for word in ("--logger", name)))

    def _make_initial_weights(self, task: Task, progress: Progress) -> None:
        """Once per bit length and seed, also when several processes ask at once; a damaged file is made again."""
        recipe, path = task.run.recipe(), task.initial_weights
        with folder_lock(path.parent, wait_seconds=_SECONDS_TO_MAKE_WEIGHTS):
            if not has_initial_weights(path, recipe):
                arrays = initial_weights(recipe, self.backbone)
                weights.save(path, arrays, _origin_of(recipe) | {"sha256": weights.digest(arrays)})


def has_initial_weights(path: Path, recipe: Recipe) -> bool:
    """Whether ``path`` holds the weights that a run of this recipe starts from, undamaged."""
    try:
        arrays, metadata = weights.load_exactly(path, recipe)
    except UserError:
        return False
    return metadata == _origin_of(recipe) | {"sha256": weights.digest(arrays)}


def _origin_of(recipe: Recipe) -> dict:
    """The settings that determine the initial weights."""
    names = ("bits", "width", "backbone_sha256")
    origin = {name: getattr(recipe, name) for name in names}
    if recipe.last_place:  # older files do not have it
        origin["last_place"] = recipe.last_place
    return origin | {"backbone_layers": list(recipe.backbone_layers), "seed": recipe.seed_of("weights")}
