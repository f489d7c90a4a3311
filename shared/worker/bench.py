"""A worker that measures on request: its parent names a phase, and the worker answers with seconds."""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from shared.checkpoint import checkpoint
from shared.checkpoint.checkpoint import read_checkpoint
from shared.codes.encoding import BATCH_SIZE
from shared.system.errors import UserError
from shared.worker.contract import Bench

PRODUCT_SIDE = 4096
Seconds = dict[str, float]
T = TypeVar("T")


class Stopwatch:
    """Measures the phases of one framework."""

    def __init__(self, bench: Bench, num_images: int) -> None:
        self._bench, self._encoder = bench, None
        self._index = np.arange(BATCH_SIZE) % num_images
        self._phases: dict[str, Callable[[], Seconds]] = {
            "product": lambda: self._one("product", bench.product),
            "upsample": lambda: self._one("upsample", bench.upsample),
            "step": lambda: self._one("step", self._step),
            "parts": self._parts,
            "encode": self._encode,
            "checkpoint": self._checkpoint,
            "copies": self._copies,
        }

    def measure(self, phase: str) -> Seconds:
        """Seconds of a phase, or of each of its parts ("copies": their number); UserError for an unknown phase."""
        if phase not in self._phases:
            raise UserError(f"expected a phase among {', '.join(self._phases)}, received {phase!r}")
        # wakes the threads, which slept while the other framework was measured
        self._time(self._bench.upsample)
        return self._phases[phase]()

    def _one(self, name: str, work: Callable[[], object]) -> Seconds:
        return {name: self._time(work)[0]}

    def _time(self, work: Callable[[], T]) -> tuple[float, T]:
        started = time.perf_counter()
        result = work()
        self._bench.wait()
        return time.perf_counter() - started, result

    def _step(self) -> None:
        """As in training: nothing waits for the device within a step."""
        self._bench.backward(self._bench.forward(self._bench.input()))
        self._bench.update()

    def _parts(self) -> Seconds:
        bench = self._bench
        taken_in, inputs = self._time(bench.input)
        forward, loss = self._time(lambda: bench.forward(inputs))
        backward, _ = self._time(lambda: bench.backward(loss))
        update, _ = self._time(bench.update)
        return {"input": taken_in, "forward": forward, "backward": backward, "update": update}

    def _encode(self) -> Seconds:
        seconds: Seconds = {}
        if self._encoder is None:
            seconds["encoder"], self._encoder = self._time(self._bench.encoder)
        return seconds | self._one("encode", lambda: self._bench.encode(self._encoder, self._index))

    def _checkpoint(self) -> Seconds:
        gather, state = self._time(self._bench.state)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "state.safetensors"
            write, _ = self._time(lambda: checkpoint.save(path, state))
            read, back = self._time(lambda: read_checkpoint(path))
        load, _ = self._time(lambda: self._bench.load(back))
        return {"to neutral": gather, "write": write, "read": read, "from neutral": load}

    def _copies(self) -> dict[str, int]:
        """Copies from the host to the device in one training step: the median of three, as one may begin an epoch."""
        with tempfile.TemporaryDirectory() as folder:
            traces = [Path(folder) / f"{step}.json" for step in range(3)]
            for trace in traces:
                self._bench.profile(self._step, trace)
            return {"copies": int(np.median([copies_to_device(trace) for trace in traces]))}


def copies_to_device(trace: Path) -> int:
    """The copies from the host to a device among Chrome's trace events, as both frameworks' profilers call them."""
    names = (str(event.get("name", "")).lower() for event in json.loads(trace.read_text())["traceEvents"])
    return sum("memcpy" in name and "htod" in name for name in names)


def answer_phases(stopwatch: Stopwatch, environment: dict) -> None:
    """Print the environment, then measure each phase named by a line of stdin; all answers are lines of JSON."""
    print(json.dumps(environment), flush=True)
    for line in sys.stdin:
        print(json.dumps(stopwatch.measure(line.strip())), flush=True)
