"""Progress of long work: a bar on a terminal, plain lines in a log, JSON events for a parent process."""

import json
import sys
import time
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as RichProgress

MODES = ("auto", "bar", "lines", "json")
_SECONDS_BETWEEN_LINES = 20.0
_SECONDS_BETWEEN_EVENTS = 0.2


class Progress:
    """Receives ``update`` (a phase moved on) and ``note`` (a line worth keeping); subclasses show them."""

    def __init__(self, seconds_between: float = 0.0) -> None:
        """Show at most one update of a phase every ``seconds_between`` seconds, and always its last."""
        self._seconds_between = seconds_between
        self._phase, self._started, self._started_at, self._shown = "", 0, 0.0, 0.0
        # what stands for the time that the phase still takes, where more is known than the phase's own pace
        self.remaining = ""

    def due(self, phase: str, done: int, total: int) -> bool:
        """Whether an update would be shown now; call it before computing metrics that cost time."""
        if phase != self._phase or done < self._started:
            self._phase, self._started, self._started_at, self._shown = phase, done, time.monotonic(), -1e9
        return done >= total or time.monotonic() - self._shown >= self._seconds_between

    def update(self, phase: str, done: int, total: int, **metrics: float) -> None:
        """Report that ``done`` of ``total`` units of ``phase`` are finished, with metrics such as ``loss``."""
        if self.due(phase, done, total):
            self._shown = time.monotonic()
            self._show(phase, done, total, metrics)

    def note(self, text: str, detail: bool = False) -> None:
        """Print a line; a ``detail`` is left out where a bar shows the same."""
        print(text, file=sys.stderr, flush=True)

    def seconds_left(self, done: int, total: int) -> float | None:
        """Estimate from the pace since the phase began; None before there is one."""
        advanced = done - self._started
        return (time.monotonic() - self._started_at) * (total - done) / advanced if advanced > 0 else None

    def time_left(self, done: int, total: int) -> str:
        """ "45 s left", or what ``remaining`` says; "" as long as nothing is known."""
        left = self.seconds_left(done, total)
        return self.remaining or (f"{format_seconds(left)} left" if left else "")

    def track(self, name: str) -> "Progress":
        """One of several progresses that share this display, each under its name."""
        return Progress()

    def close(self) -> None:
        """Leave the terminal as it was."""

    def _show(self, phase: str, done: int, total: int, metrics: dict[str, float]) -> None:
        """Show nothing."""


class LineProgress(Progress):
    """Plain lines, few enough for a log file."""

    def __init__(self, name: str = "", tracks: "set[LineProgress] | None" = None) -> None:
        """A display of its own, or the one of ``tracks`` that is called ``name``."""
        super().__init__(_SECONDS_BETWEEN_LINES)
        self._name, self._tracks = name, set() if tracks is None else tracks

    def track(self, name: str) -> Progress:
        return LineProgress(name, self._tracks)

    def due(self, phase: str, done: int, total: int) -> bool:
        # together the tracks write no more lines than one display
        if self._name:
            self._tracks.add(self)
            self._seconds_between = _SECONDS_BETWEEN_LINES * len(self._tracks)
        return super().due(phase, done, total)

    def note(self, text: str, detail: bool = False) -> None:
        super().note(_named(self._name, text), detail)

    def close(self) -> None:
        self._tracks.discard(self)

    def _show(self, phase: str, done: int, total: int, metrics: dict[str, float]) -> None:
        # neither the first update, before there is a pace, nor the last, which a note follows
        if self.seconds_left(done, total):
            self.note(f"  {phase} {done}/{total} {format_metrics(metrics)} {self.time_left(done, total)}")


class BarProgress(Progress):
    """One rich progress bar on stderr, or one for each track."""

    def __init__(self, name: str = "", display: RichProgress | None = None) -> None:
        """A display of its own, or the bar called ``name`` on another's."""
        super().__init__(_SECONDS_BETWEEN_EVENTS)
        self._name, self._owns_display, self._display = name, display is None, display or _bars()
        self._task: TaskID | None = None
        self._task_phase = ""

    def track(self, name: str) -> Progress:
        return BarProgress(name, self._display)

    def note(self, text: str, detail: bool = False) -> None:
        if not detail:
            self._display.console.print(_named(self._name, text), highlight=False, markup=False, soft_wrap=True)

    def close(self) -> None:
        if self._owns_display:
            self._display.stop()
        self._remove_task()

    def _show(self, phase: str, done: int, total: int, metrics: dict[str, float]) -> None:
        self._display.start()
        if phase != self._task_phase:
            self._remove_task()
        if self._task is None:
            title = f"{self._name} {phase}".strip()
            self._task, self._task_phase = self._display.add_task(title, total=total, metrics=""), phase
        text = f"{format_metrics(metrics)} {self.time_left(done, total)}".strip()
        self._display.update(self._task, completed=done, total=total, metrics=text)

    def _remove_task(self) -> None:
        if self._task is not None:
            self._display.remove_task(self._task)
            self._task = None


def _bars() -> RichProgress:
    columns = (
        TextColumn("  {task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[metrics]}"),
    )
    return RichProgress(*columns, console=Console(stderr=True), transient=True)


def _named(name: str, text: str) -> str:
    return f"{name}: {text.strip()}" if name else text


class JsonProgress(Progress):
    """One JSON object a line on stdout, for the process that started this one."""

    def __init__(self) -> None:
        super().__init__(_SECONDS_BETWEEN_EVENTS)

    def note(self, text: str, detail: bool = False) -> None:
        self._emit({"event": "note", "text": text, "detail": detail})

    def _show(self, phase: str, done: int, total: int, metrics: dict[str, float]) -> None:
        self._emit({"event": "update", "phase": phase, "done": done, "total": total, "metrics": metrics})

    def _emit(self, event: dict) -> None:
        print(json.dumps(event), flush=True)


def make_progress(mode: str, stream: TextIO = sys.stderr) -> Progress:
    """The progress display for ``mode``; "auto" is a bar where ``stream`` is a terminal and lines elsewhere."""
    if mode == "auto":
        mode = "bar" if stream.isatty() else "lines"
    return {"bar": BarProgress, "lines": LineProgress, "json": JsonProgress}[mode]()


def replay(line: str, progress: Progress) -> bool:
    """Show one line of a JsonProgress on ``progress``; False if the line is no such event."""
    if not line.startswith('{"event": '):
        return False
    try:
        event = json.loads(line)
    except ValueError:  # another line of the process ran into it
        return False
    if event["event"] == "note":
        progress.note(event["text"], detail=event["detail"])
    else:
        progress.update(event["phase"], event["done"], event["total"], **event["metrics"])
    return True


def format_metrics(metrics: dict[str, float]) -> str:
    """ "epoch 3 loss 1.234": whole numbers as they are, others to four significant digits."""
    return " ".join(f"{name} {value:.4g}" for name, value in metrics.items())


def format_seconds(seconds: float) -> str:
    """ "45 s", "3 min 20 s" or "2 h 05 min"."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes} min {seconds:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
