"""One run of the ladder: asks the two workers what the rungs need, and holds their answers."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from compare.frameworks.worker import Worker, side_by_side
from compare.ladder.faults import NO_FAULT, Fault
from compare.ladder.requests import REQUESTS, Answers, trained_weights, with_needs
from compare.ladder.setup import Setup
from shared.worker.probe import Arrays


@dataclass
class LadderSession:
    """Asks both sides and holds their answers; ``fault`` is injected on its side.

    ``workers`` by side, of two frameworks on ``device``, or of one there and on the CPU; ``folder`` is scratch space.
    ``baseline`` may hold answers of a ladder without a fault, to be taken where the fault does not touch the request.
    """

    setup: Setup
    workers: dict[str, Worker]
    device: str
    folder: Path
    fault: Fault = NO_FAULT
    baseline: Answers = field(default_factory=dict)
    answers: dict[tuple[str, str], Arrays] = field(default_factory=dict)

    def environment(self, side: str) -> dict:
        """The environment that a side's worker reports."""
        return self._corrupted(side, "environment", self.workers[side].info(self._device(side))["environment"])

    def require(self, names: Iterable[str], later: Iterable[str] = ()) -> None:
        """Have the answers to the requests ``names`` of both sides, asking for those that are missing.

        Of the requests ``later``, needed afterwards, those that can be asked now come along in the same process.
        Raises UserError and WorkerDied.
        """
        wanted, afterwards = with_needs(names), with_needs(later)
        while missing := [name for name in wanted if not self._has(name)]:
            along = [name for name in afterwards if REQUESTS[name].batched]
            self._ask([name for name in REQUESTS if name in {*missing, *along} and self._can_be_asked(name)])

    def of(self, side: str, name: str) -> Arrays:
        """The answer of one side to the request ``name``."""
        self.require([name])
        return self.answers[side, name]

    def pair(self, name: str) -> tuple[Arrays, Arrays]:
        """The other framework's answer and the reference's."""
        other, reference = self.setup.sides
        return self.of(other, name), self.of(reference, name)

    def sides(self, name: str) -> dict[str, Arrays]:
        """The answers of both sides to the request ``name``."""
        return {side: self.of(side, name) for side in self.setup.sides}

    def exact(self, name: str) -> Arrays:
        """The reference's answer to a request in float64, by which the float32 answers of both sides are judged."""
        return self.of(self.setup.reference, name)

    def trained_weights(self) -> Arrays:
        """The weights that the reference has after the float32 trajectory."""
        self.require(["float32"])
        return trained_weights(self.setup, self.answers)

    def _has(self, name: str) -> bool:
        return all((side, name) in self.answers for side in self._asked(name))

    def _can_be_asked(self, name: str) -> bool:
        return not self._has(name) and all(map(self._has, REQUESTS[name].needs))

    def _ask(self, names: list[str]) -> None:
        for future in side_by_side([partial(self._ask_one, side, names) for side in self.setup.sides]):
            future.result()

    def _ask_one(self, side: str, names: list[str]) -> None:
        folder = self.folder / self.setup.scale.name / side
        names = [name for name in names if side in self._asked(name)]
        missing = [name for name in names if not self._is_reusable(side, name)]
        request_files = {name: folder / "requests" / f"{name}.npz" for name in missing}
        for name, file in request_files.items():
            request, arrays = REQUESTS[name].make(self.setup, self.answers, side)
            if self._has_fault(side):
                request, arrays = self.fault.corrupt_request(name, request, dict(arrays))
            request.save(file, arrays)
        for device, files in self._by_device(side, request_files).items():
            self.workers[side].output_of_verb("probe", *map(str, files), "--out", str(folder), "--device", device)
        for name in names:
            # read array by array, when one is wanted: those of the full network do not fit into memory together
            is_new = name in request_files
            answer = np.load(folder / f"{name}.npz", allow_pickle=False) if is_new else self.baseline[side, name]
            self.answers[side, name] = self._corrupted(side, name, answer)

    def _asked(self, name: str) -> tuple[str, ...]:
        return self.setup.sides if REQUESTS[name].of_both else (self.setup.reference,)

    def _device(self, side: str) -> str:
        """One framework alone is compared with itself on the CPU."""
        is_alone = len({worker.framework for worker in self.workers.values()}) == 1
        return "cpu" if is_alone and side == self.setup.reference else self.device

    def _by_device(self, side: str, request_files: dict[str, Path]) -> dict[str, list[Path]]:
        files: dict[str, list[Path]] = {}
        for name, file in request_files.items():
            files.setdefault("cpu" if REQUESTS[name].on_cpu else self._device(side), []).append(file)
        return files

    def _is_reusable(self, side: str, name: str) -> bool:
        # a request that builds on answers may build on those of the side that has the fault
        touched = self.fault.touches_requests and (self._has_fault(side) or REQUESTS[name].needs)
        return (side, name) in self.baseline and not touched

    def _has_fault(self, side: str) -> bool:
        return self.fault.side in (side, "both")

    def _corrupted(self, side: str, name: str, answer: dict) -> dict:
        return self.fault.corrupt_answer(name, answer) if self._has_fault(side) else answer
