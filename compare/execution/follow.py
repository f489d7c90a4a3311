"""A suite on several nodes: what every node but the first does."""

import time
from contextlib import suppress

from compare.execution.cells import Cell, Task
from compare.execution.suite import Executor, Suite
from shared.errors import UserError
from shared.progress import Progress
from shared.runs import run_of

_SECONDS_BETWEEN_LOOKS = 0.5


class FollowingSuite(Suite):
    """Lends this node's ranks to every run, in the order of the first node, which alone writes the folder.

    The folder must lie on a file system that the nodes share.
    """

    def check(self) -> None:
        """The first node does."""

    def run(self, executor: Executor, progress: Progress) -> None:
        for cell in self.cells:
            self._prepare(cell)
        self._execute(self.cells, executor, progress)

    def run_cell(self, cell: Cell, executor: Executor, progress: Progress) -> None:
        self._prepare(cell)
        self._execute([cell], executor, progress)

    def _prepare(self, cell: Cell) -> None:
        """Wait until the first node has."""
        digest = self._recipe_of(cell).digest()
        while True:
            with suppress(UserError):  # not there yet
                if run_of(self.out, *cell).recipe().digest() == digest:
                    return
            time.sleep(_SECONDS_BETWEEN_LOOKS)

    def _make_initial_weights(self, task: Task) -> None:
        """Wait until the first node has."""
        while not task.initial_weights.exists():
            time.sleep(_SECONDS_BETWEEN_LOOKS)
