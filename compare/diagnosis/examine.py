"""The diagnosis: frameworks, cards, memory, disk, images and weights, and how long a benchmark would take."""

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from compare.diagnosis.findings import FAULT, OK, WARNING, Finding, has_fault
from compare.diagnosis.gpus import WHEELS, look_at_cards, look_at_framework
from compare.diagnosis.machine import look_at_data, look_at_disk, look_at_memory, look_at_weights
from compare.frameworks.records import FRAMEWORKS, run_order
from compare.frameworks.worker import Worker, named_python, side_by_side
from compare.speed.forecast import ENCODINGS, STEPS, Work, measure, measure_common, work_of
from compare.suite.devices import choose_devices, choose_preset
from compare.suite.settings import settled, with_options
from shared.config.recipe import PRESETS, lengths_of
from shared.system.errors import UserError, WorkerDied
from shared.system.machine import num_threads
from shared.system.progress import Progress, format_seconds


def examine(arguments: argparse.Namespace, progress: Progress) -> list[Finding]:
    """Everything that ``compare/doctor.py`` looks at; ``arguments`` are its options. Nothing is written."""
    arguments = settled(arguments)
    workers = {name: Worker(name, named_python(arguments, name), num_threads()) for name in run_order()}
    chosen = {name: workers[name] for name in arguments.frameworks}
    findings, infos = _look_at_frameworks(chosen, arguments.device)
    cards, has_card = look_at_cards()
    findings += cards
    for name, info in infos.items() if arguments.device != "cpu" else ():
        findings += look_at_framework(name, info, has_card)
    devices = {}
    try:
        devices = choose_devices(infos, arguments.device)
    except UserError as error:
        findings.append(
            Finding(FAULT, "device", str(error), f"choose as it says, or install wheels that can: {WHEELS}")
        )
    preset, reason = choose_preset(arguments.preset, devices, arguments.device)
    if devices:
        place = ", ".join(f"{FRAMEWORKS[name].title} on {device}" for name, device in devices.items())
        findings.append(Finding(OK, "plan", f"benchmark.py takes --preset {preset}{reason}: {place}"))
    data, recipe, dataset = look_at_data(
        arguments.data, with_options(PRESETS[preset], arguments), arguments.label, progress
    )
    out, lengths = arguments.out or Path("runs") / preset, lengths_of(preset)
    findings += [
        look_at_memory(recipe),
        look_at_disk(recipe, out, len(lengths) * max(1, len(infos)), len(lengths)),
        data,
        look_at_weights(arguments.backbone_weights, recipe, workers, set(infos)),
    ]
    if devices and not has_fault(findings):
        work = work_of(dataclasses.replace(recipe, bits=max(lengths)), dataset)
        findings.append(_forecast([workers[name] for name in infos], devices, work, len(lengths), progress))
    return findings


def _look_at_frameworks(workers: Mapping[str, Worker], choice: str) -> tuple[list[Finding], dict[str, dict]]:
    """Interpreter and versions of each framework, and what it tells of itself where it can be used."""
    device = "cpu" if choice == "cpu" else "auto"
    findings, infos, missing = [], {}, []
    futures = side_by_side([partial(worker.info, device) for worker in workers.values()])
    for (name, worker), future in zip(workers.items(), futures, strict=True):
        title = FRAMEWORKS[name].title
        try:
            infos[name] = future.result()
        except (UserError, WorkerDied) as error:
            option = f"--{name}-python or ${FRAMEWORKS[name].python_variable}"
            remedy = f"install it (make), or name the interpreter that has it ({option})"
            text = f"{worker.python} cannot be used: {error}".replace("\n", " ")
            missing.append(Finding(FAULT if worker.named else WARNING, title, text, remedy))
        else:
            environment = infos[name]["environment"]
            versions = ", ".join(f"{package} {v}" for package, v in environment["packages"].items() if v)
            text = f"{worker.python}, Python {environment['python']}, {versions}"
            findings.append(Finding(OK, title, text))
    if not infos:  # one of them is enough
        missing = [dataclasses.replace(finding, level=FAULT) for finding in missing]
    return findings + missing, infos


def _forecast(
    workers: Sequence[Worker], devices: Mapping[str, str], work: Work, lengths: int, progress: Progress
) -> Finding:
    """How long so many code lengths take, one seed each, at the pace of a few steps."""
    try:
        paces = measure(workers, work.recipe, next(iter(devices.values())), progress)
    except (UserError, WorkerDied) as error:
        reason = str(error).replace("\n", " ")
        return Finding(
            FAULT, "forecast", f"a few training steps fail: {reason}", "mend this: a benchmark fails by it, too"
        )
    common = measure_common(work)
    seconds = {name: lengths * work.seconds(pace, common) for name, pace in paces.items()}
    each = ", ".join(f"{FRAMEWORKS[name].title} {format_seconds(value)}" for name, value in seconds.items())
    text = f"about {format_seconds(sum(seconds.values()))} for {lengths} lengths ({each}), by {STEPS} training steps"
    return Finding(OK, "forecast", f"{text} and {ENCODINGS} encodings of each")
