"""Running one cell on a node of a cluster, and returning its files where no folder is shared."""

import dataclasses
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from compare.frameworks.worker import Worker
from compare.suite.cells import Task
from shared.config.recipe import Recipe
from shared.system.errors import UserError, WorkerDied
from shared.system.files import atomic_path, cache_folder, remove
from shared.system.progress import JsonProgress, Progress
from shared.training.runs import Run

MARK = ".driver"
_SECONDS_BETWEEN_EVENTS = 1.0


class Parcel(NamedTuple):
    """What a node needs that does not see the suite's folder: the recipe and the file of initial weights."""

    recipe: Recipe
    initial_weights: bytes


Failure = UserError | WorkerDied
# the files of a run, by their paths in its folder; none where the driver sees the folder itself
Files = dict[str, bytes]


def info(worker: Worker, device: str) -> dict | Failure:
    """The worker's ``info`` on this node, or why it cannot be used."""
    try:
        return worker.info(device)
    except (UserError, WorkerDied) as error:
        return error


def execute(task: Task, token: str, parcel: Parcel | None, post: Callable[[str], None]) -> Files | Failure | None:
    """Run a cell on this node, sending its progress through ``post``.

    ``token`` is what the driver wrote into the suite's folder. None asks for a ``parcel``: this node does not see it.
    """
    shared = _sees(task.out, token)
    if not shared and parcel is None:
        return None
    relay = _Relay(post)
    try:
        if not shared:
            task = _prepare_here(task, parcel)
        relay.note(f"{task.number} {task.cell.describe()} on {task.device} of {socket.gethostname()}")
        if not task.run.is_finished():  # it may be, where a node was lost between a run's end and its report
            relay.note(task.execute(relay))
    except (UserError, WorkerDied) as error:
        return error
    return {} if shared else _pack(task)


def unpack(files: Files, run: Run) -> None:
    """Write the files that ``execute`` returned, the result last."""
    for name in sorted(files, key=lambda name: name == run.result_file.name):
        with atomic_path(run.folder / name) as temporary:
            temporary.write_bytes(files[name])


def _sees(folder: Path, token: str) -> bool:
    try:
        return (folder / MARK).read_text() == token
    except OSError:
        return False


def _prepare_here(task: Task, parcel: Parcel) -> Task:
    # the same cell finds the same folder again, and in it the state to go on from; a control on other threads does not
    name = f"{task.cell.framework}-{task.worker.threads}-{parcel.recipe.digest()[:16]}"
    folder = cache_folder() / "cells" / name
    task = dataclasses.replace(task, out=folder)
    task.run.prepare(parcel.recipe)
    with atomic_path(task.initial_weights) as temporary:
        temporary.write_bytes(parcel.initial_weights)
    return task


def _pack(task: Task) -> Files:
    folder = task.run.folder
    files = [file for file in folder.rglob("*") if file.is_file() and not file.name.startswith(".")]
    contents = {str(file.relative_to(folder)): file.read_bytes() for file in files}
    remove(task.out)
    return contents


class _Relay(JsonProgress):
    """Events for the driver, few enough for many cells at once."""

    def __init__(self, post: Callable[[str], None]) -> None:
        Progress.__init__(self, _SECONDS_BETWEEN_EVENTS)
        self._post = post

    def _emit(self, event: dict) -> None:
        self._post(json.dumps(event))
