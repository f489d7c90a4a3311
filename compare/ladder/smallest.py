"""For each fault, the smallest size at which its rung still catches it: how much the ladder could overlook."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from compare.ladder.faults import FAULTS, Fault
from compare.ladder.rungs import RUNGS
from compare.ladder.session import LadderSession
from compare.ladder.setup import Scale

_HALVINGS = 60
_STRICT_STEPS, _STEPS = 16, 6
_RUNGS = {rung.name: rung for rung in RUNGS}


class Smallest(NamedTuple):
    """One fault: its own size and the smallest still caught; None where it has no size, or is not caught."""

    fault: str
    rung: str
    size: float | None
    smallest: float | None
    measure: str

    @property
    def missed(self) -> bool:
        """Whether the fault has a size and is not caught."""
        return self.size is not None and self.smallest is None

    def __str__(self) -> str:
        """One line.

        >>> print(Smallest("no-decay", "optimiser step", 1.0, 0.0078125, "of the weight decay is left out"))
        no-decay                 optimiser step       7.8e-03 of the weight decay is left out (the fault: 1)
        """
        words = f"{self.smallest:.1e} {self.measure} (the fault: {self.size:.2g})" if self.smallest else self.measure
        return f"{self.fault:24} {self.rung:20} {'NOT caught' if self.missed else words}"


def short(scale: Scale) -> Scale:
    """The same network, in as few steps as the search needs."""
    return replace(scale, strict_steps=_STRICT_STEPS, steps=_STEPS)


def smallest_faults(session: LadderSession, exact_rungs: set[str]) -> Iterator[Smallest]:
    """Search for each fault, beside the answers of a session without one; ``exact_rungs`` compare without a limit.

    A fault that corrupts requests is asked of its framework again at each size. Raises UserError and WorkerDied.
    """

    def is_caught(fault: Fault) -> bool:
        with TemporaryDirectory() as folder:
            beside = replace(session, folder=Path(folder), fault=fault, baseline=session.answers, answers={})
            return not all(record.passed for record in _RUNGS[fault.rung].run(fault.rung, beside))

    session.require({need for fault in FAULTS.values() if fault.size for need in _RUNGS[fault.rung].needs})
    for fault in FAULTS.values():
        smallest = smallest_size(fault, is_caught) if fault.size else None
        without_size = "exact: any" if fault.rung in exact_rungs else "has no size: it is there or not"
        yield Smallest(fault.name, fault.rung, fault.size, smallest, fault.measure or without_size)


def smallest_size(fault: Fault, is_caught: Callable[[Fault], bool]) -> float | None:
    """The smallest of the fault's size, its half, its quarter ... that is still caught, by bisection; None: none is."""
    caught, missed = -1, _HALVINGS
    while missed - caught > 1:
        middle = (caught + missed) // 2
        if is_caught(fault.of_size(fault.size / 2**middle)):
            caught = middle
        else:
            missed = middle
    return None if caught < 0 else fault.size / 2**caught
