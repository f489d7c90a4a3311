"""One process among several that train together: its share of every batch, and what the others have."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shared.system.errors import UserError


@dataclass(frozen=True)
class Ranks:
    """Process ``rank`` of ``size``; ``gather`` gives the values of all of them, in rank order, to each.

    The default is a process that trains alone.
    """

    rank: int = 0
    size: int = 1
    gather: Callable[[object], list] = lambda value: [value]

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files and shows progress."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """This rank's part of ``count`` things in a row; the parts differ by one at most and may be empty."""
        return slice(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def total(self, values: list[float]) -> list[float]:
        """The sum of ``values`` over all ranks, element by element."""
        return np.sum(self.gather(values), axis=0).tolist()

    def concatenate(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """The arrays of all ranks behind one another, in rank order."""
        return tuple(np.concatenate(parts) for parts in zip(*self.gather(arrays), strict=True))

    def check_same(self, value: object) -> None:
        """UserError unless all ranks hold the same ``value``, which they read from the run folder."""
        held = self.gather(value)
        if any(other != held[0] for other in held):
            raise UserError(
                f"expected all ranks to find the same recipe and state in the run folder, received {held}; "
                "with several nodes it must lie on a file system that they share"
            )


ALONE = Ranks()
