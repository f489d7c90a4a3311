"""How long a running suite still takes: the run's progress, shown with what is left of the run and of the suite."""

import time
from collections.abc import Mapping, Sequence

from shared.system.progress import Progress, format_seconds


class RunProgress(Progress):
    """Passes a run's progress on to a display, with the time remaining beside it.

    A run is timed from its first training step here, with all that comes between the steps, so what is left of it
    counts its evaluations, too.
    """

    def __init__(self, display: Progress, later: Sequence[str], seconds: Mapping[str, float]) -> None:
        """``later`` are the frameworks of the runs that follow; ``seconds`` are what a whole run of each took."""
        super().__init__()
        self._display, self._later, self._known = display, later, seconds
        self._first: tuple[int, float] | None = None
        self._done, self._total = 0, 1

    def update(self, phase: str, done: int, total: int, **metrics: float) -> None:
        if phase == "train":
            self._first = self._first or (done, time.monotonic())
            self._done, self._total = done, total
        self.due(phase, done, total)  # marks where the phase begins, for its own pace
        self._display.remaining = self._remaining(self.seconds_left(done, total))
        self._display.update(phase, done, total, **metrics)

    def note(self, text: str, detail: bool = False) -> None:
        self._display.note(text, detail)

    def close(self) -> None:
        self._display.remaining = ""
        self._display.close()

    def whole_seconds(self) -> float | None:
        """What the run takes from its first epoch to its last, at its pace so far; None before there is one."""
        if self._first is None or self._done == self._first[0]:
            return None
        done, started = self._first
        return (time.monotonic() - started) * self._total / (self._done - done)

    def _remaining(self, phase_left: float | None) -> str:
        whole = self.whole_seconds()
        if whole is None:
            return ""
        # after the last training step the last evaluation is left, at its own pace
        left = whole * (1 - self._done / self._total) or phase_left
        if not left:
            return ""
        text = f"{format_seconds(left)} left"
        if not self._later:
            return text
        return f"{text}, {format_seconds(left + total_seconds(self._later, self._known, whole))} for the suite"


def total_seconds(frameworks: Sequence[str], seconds: Mapping[str, float], otherwise: float) -> float:
    """What runs of these frameworks take together; ``otherwise`` is for one of which none has run yet."""
    return sum(seconds.get(framework, otherwise) for framework in frameworks)
