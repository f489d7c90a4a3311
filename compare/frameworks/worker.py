"""Starting a framework's worker process, following its progress and judging how it ended."""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from compare.frameworks.records import FRAMEWORKS, Framework
from compare.installation.cuda_links import library_path
from shared.system.errors import EXIT_USER_ERROR, UserError, WorkerDied
from shared.system.files import append_to
from shared.system.progress import Progress, replay
from shared.system.start import ENDS_WITH_STDIN
from shared.training.launch import module_arguments

_QUOTED_LINES = 15
_SECONDS_BETWEEN_LOOKS = 0.05
T = TypeVar("T")
# the workers of this process that have not ended
_running: set[subprocess.Popen] = set()


def default_python(framework: str) -> str:
    """The interpreter named by the framework's environment variable, else this one."""
    return _python_of_environment(framework) or sys.executable


def _python_of_environment(framework: str) -> str | None:
    return os.environ.get(FRAMEWORKS[framework].python_variable) or None


def add_python_options(parser: argparse.ArgumentParser, frameworks: Sequence[str] | None = None) -> None:
    """Give a command the options that name each framework's interpreter; None: all frameworks."""
    for framework in map(FRAMEWORKS.__getitem__, FRAMEWORKS if frameworks is None else frameworks):
        text = f"interpreter that has {framework.title}; default: ${framework.python_variable}, else this one"
        parser.add_argument(f"--{framework.key}-python", metavar="EXE", help=text)


def named_python(arguments: argparse.Namespace, framework: str) -> str | None:
    """The interpreter that the command line names for a framework; None where it names none."""
    return getattr(arguments, f"{framework}_python")


def side_by_side(calls: Sequence[Callable[[], T]]) -> list["Future[T]"]:
    """Run the calls, which wait for workers, at once; an exception here, such as Ctrl-C, ends the workers."""
    with ThreadPoolExecutor(max(1, len(calls))) as pool:
        futures = [pool.submit(call) for call in calls]
        try:
            wait(futures)
        except BaseException:
            while wait(futures, _SECONDS_BETWEEN_LOOKS).not_done:
                for process in list(_running):
                    process.kill()
            raise
    return futures


@dataclass(frozen=True)
class Worker:
    """One framework in one Python interpreter, on ``threads`` threads (None: its own choice).

    ``python`` None is ``default_python``; ``named``: whether the user chose it, in which case it must work.
    ``variables`` are added to the environment of its processes.
    """

    framework: str
    python: str | None = None
    threads: int | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    named: bool | None = None

    def __post_init__(self) -> None:
        chosen = self.python or _python_of_environment(self.framework)
        object.__setattr__(self, "python", chosen or sys.executable)
        if self.named is None:
            object.__setattr__(self, "named", chosen is not None)

    @property
    def _record(self) -> Framework:
        return FRAMEWORKS[self.framework]

    def run(self, arguments: list[str], log: Path, progress: Progress) -> None:
        """Run a verb to its end, show its progress, and append everything else it prints to ``log``.

        Raises UserError for bad input and WorkerDied, quoting the end of the log, for any other failure.
        """
        tail: deque[str] = deque(maxlen=_QUOTED_LINES)
        with (
            append_to(log) as file,
            self._started(self._record.module, [*arguments, "--progress", "json"]) as process,
        ):
            try:
                for line in process.stdout:
                    if replay(line, progress):
                        continue
                    tail.append(line.rstrip("\n"))
                    file.write(line)
                status = process.wait()
            finally:
                progress.close()
        self._judge(status, list(tail), log)

    def info(self, device: str = "auto") -> dict:
        """What the ``info`` verb prints for ``device``; UserError when the framework or a named GPU cannot be used."""
        output = self.output_of_verb("info", "--device", device)
        try:
            return json.loads(output.splitlines()[-1])
        except (IndexError, ValueError) as error:
            raise UserError(
                f"--{self.framework}-python: expected a Python interpreter that has {self._record.title}, received "
                f"{self.python}, which answers {output[-100:]!r}"
            ) from error

    def output_of_verb(self, *arguments: str) -> str:
        """Standard output of a verb that shows no progress; raises like ``run``."""
        return self.output_of(self._record.module, *arguments)

    def output_of(self, module: str, *arguments: str) -> str:
        """Standard output of a module of the framework's package; raises like ``run``."""
        with self._started(module, arguments, stderr=subprocess.PIPE) as process:
            lifeline, process.stdin = process.stdin, None  # communicate would close it
            with lifeline:
                output, errors = process.communicate()
        self._judge(process.returncode, errors.splitlines(), None)
        return output

    def dialogue(self, arguments: list[str]) -> "Dialogue":
        """Start a verb that answers line by line."""
        return Dialogue(self._start(self._record.module, arguments), self._judge)

    @contextmanager
    def _started(self, module: str, arguments: Sequence[str], **pipes: int) -> Iterator[subprocess.Popen]:
        """A process that does not outlive the block."""
        process = self._start(module, arguments, **pipes)
        _running.add(process)
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            _running.discard(process)

    def _start(self, module: str, arguments: Sequence[str], stderr: int = subprocess.STDOUT) -> subprocess.Popen:
        # its modules come from this clone and its interpreter, wherever one stands; its stdin ends with this process
        variables = {ENDS_WITH_STDIN: "1", "PYTHONUNBUFFERED": "1", **self.variables}
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment |= library_path(self.python) | variables
        if self.threads:
            environment["OMP_NUM_THREADS"] = str(self.threads)
        try:
            return subprocess.Popen(
                [self.python, *module_arguments(module, list(arguments))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                errors="replace",
                env=environment,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise UserError(f"--{self.framework}-python: cannot start {self.python}: {reason}") from error

    def _judge(self, status: int, lines: list[str], log: Path | None) -> None:
        if status == 0:
            return
        if status == EXIT_USER_ERROR:
            errors = [line for line in lines if line.startswith("error: ")]
            messages = errors or lines or ["exit status 2, without a message"]
            raise UserError(messages[-1].removeprefix("error: "))
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        kept = "; finished runs are kept, and the same command goes on from the last finished epoch; its whole log: "
        where = f"{kept}{log}" if log else ""  # without one it trained nothing
        quoted = "\n".join(f"  | {line}" for line in lines[-_QUOTED_LINES:]) or "  | (no output)"
        raise WorkerDied(f"the {self._record.title} worker died ({how}){where}\n{quoted}")


class Dialogue:
    """A worker process that prints one line of JSON to begin with and one for each line it is sent."""

    def __init__(self, process: subprocess.Popen, judge: Callable[[int, list[str], None], None]) -> None:
        self._process, self._judge = process, judge
        self._other_lines: deque[str] = deque(maxlen=_QUOTED_LINES)
        started = time.perf_counter()
        try:
            self.greeting = self._answer()
        except BaseException:  # a signal that ends the parent, too
            self.close()
            raise
        self.seconds_to_start = time.perf_counter() - started

    def ask(self, line: str) -> dict:
        """The answer to ``line``; raises UserError or WorkerDied, by its exit status, when the process ends instead."""
        with suppress(BrokenPipeError):
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def _answer(self) -> dict:
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
            self._other_lines.append(line.rstrip("\n"))
        status = self._process.wait()
        self._judge(status, list(self._other_lines), None)
        raise WorkerDied(f"a worker ended before it answered, with exit status {status}")
