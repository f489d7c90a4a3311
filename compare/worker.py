"""Starting a framework's worker process, following its progress and judging how it ended."""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from shared.errors import EXIT_USER_ERROR, UserError, WorkerDied
from shared.files import PROJECT_ROOT
from shared.progress import Progress, replay

MODULES = {"paddle": "paddle_impl", "torch": "torch_impl"}
NAMES = {"paddle": "PaddlePaddle", "torch": "PyTorch Lightning"}
_QUOTED_LINES = 15


def default_python(framework: str) -> str:
    """The interpreter named by ``$GREEDYHASH_TORCH_PYTHON`` or ``$GREEDYHASH_PADDLE_PYTHON``, else this one."""
    return os.environ.get(f"GREEDYHASH_{framework.upper()}_PYTHON") or sys.executable


def add_python_options(parser: argparse.ArgumentParser, frameworks: Sequence[str] = ("torch", "paddle")) -> None:
    """Give a command the options that name each framework's interpreter."""
    for name in frameworks:
        text = f"interpreter that has {NAMES[name]}; default: $GREEDYHASH_{name.upper()}_PYTHON, else this one"
        parser.add_argument(f"--{name}-python", default=default_python(name), metavar="EXE", help=text)


@dataclass(frozen=True)
class Worker:
    """One framework in one Python interpreter, on ``threads`` threads (None: its own choice).

    ``variables`` are added to the environment of its processes.
    """

    framework: str
    python: str = sys.executable
    threads: int | None = None
    variables: Mapping[str, str] = field(default_factory=dict)

    def run(self, arguments: list[str], log: Path, progress: Progress) -> None:
        """Run a verb to its end, show its progress, and append everything else it prints to ``log``.

        Raises UserError for bad input and WorkerDied, quoting the end of the log, for any other failure.
        """
        tail: deque[str] = deque(maxlen=_QUOTED_LINES)
        process = self._start(["-m", MODULES[self.framework], *arguments, "--progress", "json"])
        try:
            with log.open("a", encoding="utf-8") as file:
                for line in process.stdout:
                    if replay(line, progress):
                        continue
                    tail.append(line.rstrip("\n"))
                    file.write(line)
            status = process.wait()
        finally:
            process.kill()
            process.wait()
            progress.close()
        self._judge(status, list(tail), log)

    def info(self) -> dict:
        """What the ``info`` verb prints; UserError when the framework cannot be used."""
        output = self.output_of_verb("info")
        try:
            return json.loads(output.splitlines()[-1])
        except (IndexError, ValueError) as error:
            raise UserError(
                f"--{self.framework}-python: expected a Python interpreter that has {NAMES[self.framework]}, received "
                f"{self.python}, which answers {output[-100:]!r}"
            ) from error

    def output_of_verb(self, *arguments: str) -> str:
        """Standard output of a verb that shows no progress; raises like ``run``."""
        return self.output_of("-m", MODULES[self.framework], *arguments)

    def output_of(self, *arguments: str) -> str:
        """Standard output of the interpreter with these arguments; raises like ``run``."""
        process = self._start(list(arguments), stderr=subprocess.PIPE)
        output, errors = process.communicate()
        self._judge(process.returncode, errors.splitlines(), None)
        return output

    def dialogue(self, arguments: list[str]) -> "Dialogue":
        """Start a verb that answers line by line."""
        return Dialogue(self._start(["-m", MODULES[self.framework], *arguments]), self._judge)

    def _start(self, arguments: list[str], stderr: int = subprocess.STDOUT) -> subprocess.Popen:
        # the project need not be installed in the worker's interpreter; stdin stays open as the sign of our life
        environment = os.environ | {"PYTHONPATH": str(PROJECT_ROOT), "PYTHONUNBUFFERED": "1"} | self.variables
        if self.threads:
            environment["OMP_NUM_THREADS"] = str(self.threads)
        try:
            return subprocess.Popen(
                [self.python, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                errors="replace",
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise UserError(f"--{self.framework}-python: cannot start {self.python}: {error.strerror}") from error

    def _judge(self, status: int, lines: list[str], log: Path | None) -> None:
        if status == 0:
            return
        if status == EXIT_USER_ERROR:
            raise UserError(lines[-1].removeprefix("error: ") if lines else f"{self.framework} worker: exit status 2")
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        where = f"; its whole log: {log}" if log else ""
        quoted = "\n".join(f"  | {line}" for line in lines[-_QUOTED_LINES:]) or "  | (no output)"
        raise WorkerDied(
            f"the {NAMES[self.framework]} worker died ({how}); finished runs are kept, and the same command "
            f"goes on from the last finished epoch{where}\n{quoted}"
        )


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
        """The answer to ``line``; raises UserError or WorkerDied, as the end of the process demands."""
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
