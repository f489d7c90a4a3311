"""A suite on several nodes: what every node but the first does."""

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass

from compare.suite.cells import Cell, Task
from compare.suite.suite import Executor, Suite, has_initial_weights
from shared.system.errors import UserError
from shared.system.progress import Progress
from shared.training.runs import run_of

_SECONDS_BETWEEN_LOOKS = 0.5


@dataclass(frozen=True)
class FollowingSuite(Suite):
    """Lends this node's ranks to every run, in the order of the first node, which alone writes the folder.

    The folder must lie on a file system that the nodes share. Raises UserError where the first node does not
    write what this one waits for within ``timeout`` seconds.
    """

    timeout: float = math.inf

    def check(self) -> None:
        """Nothing: the first node checks the folder."""

    def locked(self, shared: bool = False) -> AbstractContextManager:
        """No lock: the first node holds it."""
        return nullcontext()

    def run(self, executor: Executor, progress: Progress) -> None:
        for cell in self.cells:
            self._await_recipe(cell, progress)
        self._execute(self.cells, executor, progress)

    def run_cell(self, cell: Cell, executor: Executor, progress: Progress) -> None:
        self._await_recipe(cell, progress)
        self._execute([cell], executor, progress)

    def _await_recipe(self, cell: Cell, progress: Progress) -> None:
        run, digest = run_of(self.out, *cell), self._recipe_of(cell).digest()

        def is_prepared() -> bool:
            with suppress(UserError):  # not there yet
                return run.recipe().digest() == digest
            return False

        self._await(is_prepared, f"{run.recipe_file} of this recipe", progress)

    def _make_initial_weights(self, task: Task, progress: Progress) -> None:
        path, recipe = task.initial_weights, task.run.recipe()
        self._await(lambda: has_initial_weights(path, recipe), str(path), progress)

    def _await(self, is_there: Callable[[], bool], what: str, progress: Progress) -> None:
        """Wait until the first node has written ``what``."""
        deadline, announced = time.monotonic() + self.timeout, False
        while not is_there():
            if not announced:
                progress.note(f"waiting for the first node (NODE_RANK=0) to write {what}")
                announced = True
            if time.monotonic() > deadline:
                raise UserError(
                    f"--timeout {self.timeout:g}: expected {what} from the first node (NODE_RANK=0) within so many "
                    "seconds, found none; start the same command there, with --out in a folder that both nodes see"
                )
            time.sleep(_SECONDS_BETWEEN_LOOKS)
