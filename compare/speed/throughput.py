"""Measuring training and encoding in both frameworks in turn, with and without this project's settings."""

import argparse
import dataclasses
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

from compare.frameworks.records import FRAMEWORKS, all_of
from compare.frameworks.worker import Dialogue, Worker, named_python
from compare.page.figures import save_figure
from compare.speed import other_costs
from compare.speed.bench_folder import prepare
from compare.speed.measured import PLAIN_PHASES, Configuration, Measured
from compare.speed.throughput_table import figure, heading, markdown, notes, table
from shared.config.kernels import NATIVE, canonical
from shared.config.recipe import PRESETS, Recipe
from shared.network.flops import check_memory
from shared.system.errors import UserError
from shared.system.files import check_links, check_writable, write_json, write_text
from shared.system.machine import num_threads
from shared.system.progress import Progress, make_progress
from shared.training.runs import Run

PHASES = ("product", "upsample", "step", "parts", "encode", "checkpoint")
# threads of the one that was measured before may still wait for work
_PAUSE_SECONDS = 0.3


def measure_and_write(arguments: argparse.Namespace) -> None:
    """Measure what the options of ``compare/throughput.py`` ask for, print the table, write it with its raw numbers."""
    recipe = _recipe(arguments)
    if arguments.device == "cpu":  # each framework twice
        check_memory(recipe, 2 * len(arguments.frameworks), f"--px {arguments.px}")
    check_writable(arguments.out)
    check_links(arguments.out)
    load = os.getloadavg()[0]
    progress = make_progress("auto")
    with closing(progress), tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        recipe, options = prepare(recipe, arguments.data, arguments.device, folder)
        with ExitStack() as stack:
            beside = _options_beside(recipe, options, folder)
            dialogues = _configurations(arguments, {True: options, False: beside}, stack, progress)
            measured = Measured(recipe, {who: dialogue.greeting for who, dialogue in dialogues.items()}, load)
            _measure(measured, dialogues, arguments.rounds, progress)
            _count_copies(measured, dialogues)
        workers = {name: _worker(name, arguments, tuned=True) for name in measured.frameworks}
        other_costs.measure(measured, workers, folder, progress)
    _write(measured, arguments.out)


def _write(measured: Measured, out: Path) -> None:
    rows, remarks = table(measured), notes(measured)
    text = "\n\n".join([f"{heading(measured)}.", markdown(rows), "\n".join(f"- {note}" for note in remarks)])
    save_figure(figure(measured), out / "throughput")
    write_text(out / "throughput.md", text + "\n")
    write_json(out / "throughput.json", {"table": rows, "notes": remarks, **measured.as_json()})
    print(f"\n{text}\n\nwritten to {out}: throughput.md, .json, .png and .svg")


def _recipe(arguments: argparse.Namespace) -> Recipe:
    """The recipe to measure, still without its data."""
    names = {"input_px": arguments.px} | {name: getattr(arguments, name) for name in ("width", "precision", "kernels")}
    return Recipe(preset="cpu", **names, backbone="none", epochs=PRESETS["cpu"].epochs)


def _worker(framework: str, arguments: argparse.Namespace, tuned: bool) -> Worker:
    # the same number of threads in all, and none of this project's settings where the defaults are wanted
    has_defaults = not tuned and canonical(arguments.kernels) == NATIVE
    variables = {"GREEDYHASH_UNTUNED": "1"} if has_defaults else {}
    return Worker(framework, named_python(arguments, framework), num_threads(), variables)


def _options_beside(recipe: Recipe, options: list[str], folder: Path) -> list[str]:
    """The options of ``bench`` for native kernels; ``options`` where these are measured."""
    if recipe.kernels == NATIVE:
        return options
    native = Run(folder / NATIVE)
    native.prepare(dataclasses.replace(recipe, kernels=NATIVE))
    return [str(native.folder) if option == str(folder) else option for option in options]


def _configurations(
    arguments: argparse.Namespace, options: dict[bool, list[str]], stack: ExitStack, progress: Progress
) -> dict[Configuration, Dialogue]:
    """The workers that can be measured, ready; ``options`` are those of tuned ones, and of the others."""
    dialogues, reasons = {}, []
    for name in arguments.frameworks:
        progress.note(f"starting {FRAMEWORKS[name].title}, and once more for what it is shown beside")
        try:
            for tuned in (True, False):
                dialogue = _worker(name, arguments, tuned).dialogue(["bench", *options[tuned]])
                dialogues[Configuration(name, tuned)] = stack.enter_context(closing(dialogue))
        except UserError as error:
            if _worker(name, arguments, tuned=True).named:
                raise
            progress.note(f"{FRAMEWORKS[name].title} is left out: {error}")
            reasons.append(str(error))
    if not dialogues:
        raise UserError("no framework can be measured: " + "; ".join(dict.fromkeys(reasons)))
    devices = {who.framework: dialogue.greeting["device"] for who, dialogue in dialogues.items()}
    if len(set(devices.values())) > 1:
        places = " and ".join(f"{FRAMEWORKS[name].title} on {device}" for name, device in devices.items())
        raise UserError(
            f"--device {arguments.device}: expected one kind of device for {all_of()} frameworks, found {places}; "
            "choose --device cpu, or one of --frameworks. python compare/doctor.py says why"
        )
    return dialogues


def _measure(measured: Measured, dialogues: dict[Configuration, Dialogue], rounds: int, progress: Progress) -> None:
    for configuration, dialogue in dialogues.items():
        measured.add(configuration, {"start": dialogue.seconds_to_start})
    turns = list(_turns(dialogues, rounds + 1))
    for number, (configuration, phase, warms_up) in enumerate(turns, 1):
        time.sleep(_PAUSE_SECONDS)
        seconds = dialogues[configuration].ask(phase)
        # the encoder is made once, and then it is no warming up
        measured.add(configuration, {name: s for name, s in seconds.items() if not warms_up or name == "encoder"})
        progress.update("measure", number, len(turns))


def _count_copies(measured: Measured, dialogues: dict[Configuration, Dialogue]) -> None:
    for (framework, is_tuned), dialogue in dialogues.items():
        if is_tuned and dialogue.greeting["device"] == "cuda":
            measured.copies[framework] = dialogue.ask("copies")["copies"]


def _turns(dialogues: dict[Configuration, Dialogue], rounds: int) -> Iterator[tuple[Configuration, str, bool]]:
    """Phase after phase, each by one configuration after the other; the first round warms up."""
    for number in range(rounds):
        for phase in PHASES:
            for configuration in dialogues:
                if configuration.tuned or phase in PLAIN_PHASES:
                    yield configuration, phase, number == 0
