"""Checking a GPU with the project's own commands, one after the other, within a given time."""

import argparse
import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from compare.frameworks.records import FRAMEWORKS, titles
from compare.frameworks.worker import Worker, named_python
from compare.suite.cells import LocalExecutor
from compare.suite.devices import ask, choose_devices
from shared.system.errors import printable
from shared.system.files import PROJECT_ROOT, check_links, check_writable, write_json, write_text
from shared.system.machine import num_threads
from shared.system.progress import format_seconds

# on a GPU the published network is measured; on a CPU that would take the whole time
_SPEED = {"cuda": ("--px", "224", "--width", "full"), "cpu": ("--px", "64", "--width", "demo")}
_SHOWN_LINES = 60
_SECONDS_TO_END = 10.0


@dataclass(frozen=True)
class Step:
    """One command: its ``name``, what it ``shows``, and the words after the interpreter."""

    name: str
    shows: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """How a step ended: exit ``status``, None where it had to be ended; ``output`` is the end of what it printed."""

    step: Step
    status: int | None
    seconds: float
    output: str

    @property
    def passed(self) -> bool:
        return self.status == 0

    def __str__(self) -> str:
        verdict = {0: "ok", None: "did not end in time"}.get(self.status, f"failed, exit status {self.status}")
        return f"{self.step.name}: {verdict} ({format_seconds(self.seconds)}): {self.step.shows}"


def check(arguments: argparse.Namespace) -> bool:
    """Run the steps, print how each ended, and write ``gpu-check.json`` and ``gpu-check.md``; whether all passed.

    Raises UserError where no framework can be used, or they cannot use one kind of device.
    """
    check_writable(arguments.out)
    check_links(arguments.out)
    workers = [Worker(name, named_python(arguments, name), num_threads()) for name in arguments.frameworks]
    infos, unavailable = ask(workers, LocalExecutor(), arguments.device)
    missing = [f"{FRAMEWORKS[name].title} is left out: {printable(reason)}" for name, reason in unavailable.items()]
    print("".join(f"{line}\n" for line in missing), end="", flush=True)
    device = next(iter(choose_devices(infos, arguments.device).values()))
    until, outcomes = time.monotonic() + 60 * arguments.minutes, []
    for step in steps(arguments, list(infos), device):
        outcomes.append(_run(step, until - time.monotonic()))
        print(outcomes[-1], flush=True)
        _write(arguments.out, device, infos, outcomes, missing)  # each time: an interruption loses none
    print(f"written to {arguments.out}: gpu-check.json and gpu-check.md, to send in an issue")
    return all(outcome.passed for outcome in outcomes)


def steps(arguments: argparse.Namespace, frameworks: Sequence[str], device: str) -> list[Step]:
    """What to run with the ``frameworks`` that are there: the ladder compares two, or one on the device and the CPU."""
    out, place = arguments.out, ("--device", device)
    pythons = {name: named_python(arguments, name) for name in frameworks}
    named = tuple(word for name, python in pythons.items() if python for word in (f"--{name}-python", python))
    chosen = ("--frameworks", *frameworks)
    alone = () if len(frameworks) > 1 else ("--alone", frameworks[0])
    preset, data = ("--preset", "demo"), ()
    if arguments.data:
        preset, data = ("--preset", "cpu"), ("--data", arguments.data, "--label", arguments.label)
    images = (*preset, *data, "--backbone-weights", "none")
    # the forecast of the published protocol, where it would be trained
    doctor = preset if device == "cpu" else ("--preset", "paper")
    training = (*images, "--bits", "12", "--epochs", "1", "--skip-align", "--force", *chosen)
    return [
        Step(
            "doctor",
            "what is installed and what it finds",
            (
                "doctor.py",
                *doctor,
                *data,
                "--backbone-weights",
                "none",
                *chosen,
                *place,
                *named,
                *_to(out / "training"),
            ),
        ),
        Step("ladder", "the same numbers, layer by layer", ("align.py", *alone, *place, *named, *_to(out / "align"))),
        Step("training", "one epoch, scored", ("benchmark.py", *training, *place, *named, *_to(out / "training"))),
        Step(
            "speed",
            "training and encoding, and copies from the host",
            ("throughput.py", "--rounds", "3", *_SPEED[device], *chosen, *place, *named, *_to(out / "speed")),
        ),
    ]


def _to(folder: Path) -> tuple[str, str]:
    return "--out", str(folder.absolute())


def _run(step: Step, seconds: float) -> Outcome:
    script, *words = step.command
    command = [sys.executable, str(PROJECT_ROOT / "compare" / script), *words]
    started = time.monotonic()
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    process = subprocess.Popen(command, text=True, errors="replace", **pipes)
    try:
        output, _ = process.communicate(timeout=max(seconds, 1))
        status = process.returncode
    except subprocess.TimeoutExpired:
        process.terminate()  # as Ctrl-C does: it ends its workers
        output, status = _output_of_ended(process), None
    except BaseException:
        process.terminate()
        _output_of_ended(process)
        raise
    return Outcome(step, status, time.monotonic() - started, "\n".join(output.splitlines()[-_SHOWN_LINES:]))


def _output_of_ended(process: subprocess.Popen) -> str:
    """What a command that was told to end has printed; one that does not is killed."""
    try:
        return process.communicate(timeout=_SECONDS_TO_END)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0]


def _write(out: Path, device: str, infos: dict[str, dict], outcomes: Sequence[Outcome], missing: Sequence[str]) -> None:
    rows = [dataclasses.asdict(outcome) | {"passed": outcome.passed} for outcome in outcomes]
    measured = out / "speed" / "throughput.json"
    speed = json.loads(measured.read_text()) if outcomes[-1].step.name == "speed" and outcomes[-1].passed else None
    told = {"steps": rows, "speed": speed}
    write_json(out / "gpu-check.json", {"device": device, "frameworks": infos, "left_out": missing} | told)
    parts = [
        f"# GPU check: {titles(list(infos))} on {device}",
        "\n".join(f"- {line}" for line in (*missing, *outcomes)),
    ]
    for outcome in outcomes:
        command = " ".join(outcome.step.command)
        parts.append(f"## {outcome.step.name}\n\n`python compare/{command}`\n\n```\n{outcome.output}\n```")
    write_text(out / "gpu-check.md", "\n\n".join(parts) + "\n")
