"""Cells as tasks of a Ray cluster: each on its own cores or GPU, and again when its process or node is lost."""

import logging
import os
import socket
import sys
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType

from compare.frameworks.worker import Worker
from compare.suite import node
from compare.suite.cells import Task
from shared.system.errors import UserError, WorkerDied
from shared.system.files import PROJECT_ROOT, write_text
from shared.system.progress import Progress, replay

LOCAL = "local"
_RETRIES = 3
_POLL_SECONDS = 0.5
_SECONDS_TO_ANSWER = 10.0
# nothing large passes through a Ray of this machine's own: it sees the run folders
_LOCAL_STORE_BYTES = 128 * 2**20


class RayExecutor:
    """Runs cells at once as far as the cluster's resources reach; the same interface as LocalExecutor."""

    def __init__(self, address: str, device: str, threads: int) -> None:
        """Join the cluster at ``address`` (HOST:PORT or auto), or start one on this machine for ``LOCAL``.

        ``device`` is the command's choice: auto, cpu or cuda; a cell takes ``threads`` cores. Raises UserError without
        Ray, without the cluster, and when no node has so many cores.
        """
        self._ray = _connect(address)
        self._check_cores(threads)
        has_gpu = self._ray.cluster_resources().get("GPU", 0) > 0
        self._probe_device = "cuda" if has_gpu and device != "cpu" else "cpu"
        self._board = self._ray.remote(Board).options(num_cpus=0, max_restarts=-1).remote()
        self._token = uuid.uuid4().hex

    def info(self, worker: Worker, device: str) -> dict:
        """The worker's ``info`` on a node; raises UserError or WorkerDied if it cannot be used."""
        answer = self._get(self._remote(node.info, worker, self._probe_device).remote(worker, device))
        if isinstance(answer, node.Failure):
            raise answer
        return answer

    def run(self, tasks: Iterable[Task], progress: Progress) -> list[WorkerDied]:
        """Execute all tasks; the deaths of workers, none of which keeps the others from running.

        Raises UserError at the first bad input.
        """
        running, tracks, died = {}, {}, []
        for task in tasks:
            self._check_cores(task.worker.threads)  # a control's cells take another number than the suite's
            write_text(task.out / node.MARK, self._token)
            tracks[str(task.cell)] = progress.track(str(task.cell))
            running[self._submit(task)] = task
        while running:
            ready, _ = self._ray.wait(list(running), timeout=_POLL_SECONDS)
            outcomes = [(running.pop(ref), self._get(ref)) for ref in ready]
            self._show(tracks)
            for task, outcome in outcomes:
                if outcome is None:
                    running[self._submit(task, _parcel(task))] = task
                else:
                    died += _conclude(task, outcome, tracks[str(task.cell)])
        return died

    def close(self) -> None:
        """Leave the cluster; what still runs for this process is stopped."""
        self._ray.shutdown()

    def _submit(self, task: Task, parcel: node.Parcel | None = None) -> object:
        board, name = self._board, str(task.cell)
        remote = self._remote(node.execute, task.worker, task.device)
        return remote.remote(task, self._token, parcel, lambda line: board.post.remote(name, line))

    def _remote(self, function: Callable, worker: Worker, device: str) -> object:
        gpus = {"num_gpus": 1} if device == "cuda" else {}
        return self._ray.remote(function).options(num_cpus=worker.threads, max_retries=_RETRIES, **gpus)

    def _check_cores(self, threads: int) -> None:
        largest = max(machine["Resources"].get("CPU", 0) for machine in self._ray.nodes() if machine["Alive"])
        if threads > largest:
            raise UserError(
                f"--cell-cpus: expected at most {largest:.0f}, what the largest node has, received {threads}"
            )

    def _get(self, ref: object) -> object:
        """What the remote function returned, or WorkerDied when Ray could not bring it to its end."""
        try:
            return self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            return WorkerDied(f"Ray gave up on a task ({type(error).__name__}); finished runs are kept\n{error}")

    def _show(self, tracks: dict[str, Progress]) -> None:
        lines = self._get(self._board.take.remote())
        for name, line in lines if isinstance(lines, list) else []:
            replay(line, tracks[name])


class Board:
    """An actor that collects the progress of all cells until the driver takes it."""

    def __init__(self) -> None:
        self._lines: list[tuple[str, str]] = []

    def post(self, name: str, line: str) -> None:
        """Keep a line of the cell ``name``."""
        self._lines.append((name, line))

    def take(self) -> list[tuple[str, str]]:
        """All lines since the last call."""
        lines, self._lines = self._lines, []
        return lines


def _connect(address: str) -> ModuleType:
    try:
        import ray
    except ImportError as error:
        raise UserError(
            f"--executor ray: expected Ray in {sys.executable}, found none; install it in this project's folder: "
            "pip install -e '.[cluster]'"
        ) from error
    _check_address(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    local_options = {"include_dashboard": False, "object_store_memory": _LOCAL_STORE_BYTES} if address == LOCAL else {}
    # nodes find the project, like the interpreters, where this machine has it
    environment = {"env_vars": {"PYTHONPATH": str(PROJECT_ROOT)}}
    here = Path.cwd()
    try:
        os.chdir(PROJECT_ROOT)  # Ray's processes look for modules in the folder in which they are asked for
        ray.init(address, runtime_env=environment, logging_level=logging.ERROR, log_to_driver=False, **local_options)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        raise UserError(f"--ray-address: expected a Ray cluster that answers, received {address} ({error})") from error
    finally:
        os.chdir(here)
    return ray


def _check_address(address: str) -> None:
    # Ray itself tries for two minutes
    host, _, port = address.rpartition(":")
    if not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=_SECONDS_TO_ANSWER).close()
    except (OSError, OverflowError) as error:
        raise UserError(f"--ray-address: expected a Ray cluster that answers, received {address} ({error})") from error


def _parcel(task: Task) -> node.Parcel:
    return node.Parcel(task.run.recipe(), task.initial_weights.read_bytes())


def _conclude(task: Task, outcome: node.Files | node.Failure, track: Progress) -> list[WorkerDied]:
    track.close()
    if isinstance(outcome, UserError):
        raise outcome
    if isinstance(outcome, WorkerDied):
        track.note("its worker died")
        return [outcome]
    node.unpack(outcome, task.run)
    return []
