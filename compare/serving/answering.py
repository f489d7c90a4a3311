"""A framework's worker that stays: it answers many threads' images batch by batch, and is replaced when it dies."""

import contextlib
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import NamedTuple

import numpy as np

from compare.frameworks.records import FRAMEWORKS
from compare.frameworks.worker import Dialogue, Worker
from shared.codes.encoding import BATCH_SIZE
from shared.system.errors import UserError, WorkerDied
from shared.worker.line_protocol import write_question

_SECONDS_FOR_A_BATCH = 60.0


class Unavailable(Exception):
    """No worker can answer now; the message says why and what to do."""


class _Question(NamedTuple):
    name: str
    pixels: np.ndarray
    answer: Future


class Answerer:
    """The verb ``answer`` of one worker; images that arrive while it computes go to it in one batch.

    ``greeting`` is its first line, once it is ready: device and size (height, width) of its images. A worker that died,
    or that needs longer than ``seconds`` for a batch and is ended for it, is started again once for that batch.
    """

    def __init__(self, worker: Worker, arguments: list[str], seconds: float = _SECONDS_FOR_A_BATCH) -> None:
        """Start the worker; raises UserError or WorkerDied when it does not get ready."""
        self._worker, self._arguments, self._seconds = worker, arguments, seconds
        self._questions: SimpleQueue[_Question | None] = SimpleQueue()
        self._closing, self._ending = False, threading.Lock()
        self._dialogue: Dialogue | None = self._start()
        self.greeting = self._dialogue.greeting
        self._thread = threading.Thread(target=self._answer_all, daemon=True)
        self._thread.start()

    def submit(self, name: str, pixels: np.ndarray) -> Future:
        """A future of ``predict``'s record of one image, uint8 (height, width, 3) of the greeting's size.

        It raises Unavailable when no worker can answer.
        """
        question = _Question(name, pixels, Future())
        self._questions.put(question)
        return question.answer

    def close(self) -> None:
        """End the worker, in the middle of a batch too."""
        self._closing = True
        self._questions.put(None)
        self._end()
        self._thread.join()

    def _start(self) -> Dialogue:
        return self._worker.dialogue(["answer", *self._arguments])

    def _answer_all(self) -> None:
        while batch := self._next_batch():
            wanted = [question for question in batch if question.answer.set_running_or_notify_cancel()]
            if wanted:
                self._answer(wanted)
        self._end()

    def _next_batch(self) -> list[_Question]:
        """At least one question, as soon as there is one, and what waits behind it; none at the end."""
        batch = [self._questions.get()]
        with contextlib.suppress(Empty):
            while batch[-1] is not None and len(batch) < BATCH_SIZE:
                batch.append(self._questions.get_nowait())
        return [] if self._closing else batch

    def _answer(self, batch: list[_Question]) -> None:
        line = write_question([question.name for question in batch], np.stack([q.pixels for q in batch]))
        try:
            records = self._twice(lambda: self._ask(line))
        except (WorkerDied, UserError, ValueError) as error:
            if not self._closing:
                print(f"error: {error}", file=sys.stderr)
            for question in batch:
                question.answer.set_exception(Unavailable(self._reason))
            return
        for question, record in zip(batch, records, strict=True):
            if "problem" in record:
                question.answer.set_exception(Unavailable(f"{self._title}: {record['problem']}"))
            else:
                question.answer.set_result(record)

    @property
    def _title(self) -> str:
        return FRAMEWORKS[self._worker.framework].title

    @property
    def _reason(self) -> str:
        return (
            f"expected an answer of {self._title}, but its worker ended, and again after a new start; try again later; "
            "the server's terminal says what happened"
        )

    def _twice(self, ask: Callable[[], list[dict]]) -> list[dict]:
        try:
            return ask()
        except (WorkerDied, ValueError):
            return ask()

    def _ask(self, line: str) -> list[dict]:
        if self._closing:
            raise UserError("the server is shutting down")
        dialogue = self._dialogue = self._dialogue or self._start()
        watchdog = threading.Timer(self._seconds, self._end)
        watchdog.start()
        try:
            return dialogue.ask(line)["records"]
        except (WorkerDied, ValueError):  # ValueError: it died in the middle of its line
            self._end()
            raise
        finally:
            watchdog.cancel()

    def _end(self) -> None:
        """End the worker, so that a thread that waits for its answer gets an error at once."""
        with self._ending:
            dialogue, self._dialogue = self._dialogue, None
            if dialogue:
                dialogue.close()
