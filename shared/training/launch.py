"""Starting the ranks of a data-parallel run, showing what they print, and ending all of them when one ends badly."""

import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import NamedTuple

from shared.system.errors import EXIT_USER_ERROR, EXIT_WORKER_DIED, UserError, WorkerDied
from shared.system.files import ENTRY
from shared.system.machine import num_threads
from shared.system.progress import Progress, replay
from shared.system.start import ENDS_WITH_STDIN

_SECONDS_BETWEEN_LOOKS = 0.1
_SECONDS_TO_END = 10.0
_VARIABLES = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK")


class Layout(NamedTuple):
    """``devices`` processes on each of ``nodes`` machines, of which this is number ``node``; where they meet."""

    devices: int
    nodes: int
    node: int
    address: str
    port: int

    @property
    def size(self) -> int:
        """Processes in all."""
        return self.devices * self.nodes


class Command(NamedTuple):
    """One process to start: what to call it, its command line, and variables to set or (None) to remove."""

    name: str
    argv: list[str]
    variables: dict[str, str | None]


def check_counts(devices: int, nodes: int, most: int | None) -> None:
    """UserError unless both counts are 1 or more and ``devices`` at most ``most``, the GPUs there are (None: a CPU)."""
    for option, count in (("--devices", devices), ("--nodes", nodes)):
        if count < 1:
            raise UserError(f"{option}: expected at least 1, received {count}")
    if most is not None and devices > most:
        raise UserError(f"--devices {devices}: expected at most the {most} GPUs that can be used; lower it")


def make_layout(devices: int, nodes: int) -> Layout:
    """Where the ranks meet: here for one node, else where the launchers' usual variables say.

    UserError names the variables that are missing or not in range.
    """
    if nodes == 1:
        return Layout(devices, 1, 0, "127.0.0.1", _free_port())
    if missing := [name for name in _VARIABLES if not os.environ.get(name)]:
        raise UserError(
            f"--nodes {nodes}: expected the variables {', '.join(_VARIABLES)}, received no {' and no '.join(missing)}; "
            "set them to the first node's address, a free port there, and this node's number from 0"
        )
    address, port, node = (os.environ[name] for name in _VARIABLES)
    for name, text, end in (("MASTER_PORT", port, 2**16), ("NODE_RANK", node, nodes)):
        if not text.isdecimal() or int(text) >= end:
            raise UserError(f"{name}: expected a number from 0 to {end - 1}, received {text!r}")
    return Layout(devices, nodes, int(node), address, int(port))


def module_arguments(module: str, arguments: list[str]) -> list[str]:
    """What comes after the interpreter's name so that it runs ``module`` of this clone, or a library's."""
    return [str(ENTRY), module, *arguments]


def run_ranks(commands: list[Command], devices: int, progress: Progress) -> None:
    """Run the commands, one or more of which start ``devices`` ranks, until all have ended well.

    Their standard input, which the ranks inherit, ends with this process or with the first rank to fail, and that
    ends them. They print to it, too. Raises UserError or WorkerDied when a rank ended badly.
    """
    ours, theirs = socket.socketpair()
    errors: list[str] = []
    relay = threading.Thread(target=_relay, args=(ours, progress, errors), daemon=True)
    processes: list[subprocess.Popen] = []
    try:
        processes += [_start(command, devices, theirs) for command in commands]
        theirs.close()
        relay.start()
        failed = _wait(processes)
    finally:
        theirs.close()
        _end(processes, ours)
    relay.join(_SECONDS_TO_END)
    if failed is not None:
        _judge(commands[failed].name, processes[failed].returncode, errors)


def adopt_channel() -> None:
    """Let a rank print to the channel that is its standard input, whatever its launcher did with the others."""
    for output in (sys.stdout, sys.stderr):
        os.dup2(sys.stdin.fileno(), output.fileno())


def _start(command: Command, devices: int, channel: socket.socket) -> subprocess.Popen:
    # the ranks of one machine share its cores
    variables = {
        "PYTHONPATH": None,  # may name the current folder
        ENDS_WITH_STDIN: "1",
        "PYTHONUNBUFFERED": "",  # whole lines, so that those of several ranks do not mix
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS") or str(max(1, num_threads() // devices)),
        **command.variables,
    }
    environment = {name: value for name, value in (os.environ | variables).items() if value is not None}
    return subprocess.Popen(command.argv, stdin=channel, stdout=channel, stderr=channel, env=environment)


def _wait(processes: list[subprocess.Popen]) -> int | None:
    """Wait until all have ended well, or one badly: its number."""
    while True:
        statuses = [process.poll() for process in processes]
        if any(statuses):
            return next(number for number, status in enumerate(statuses) if status)
        if None not in statuses:
            return None
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _end(processes: list[subprocess.Popen], channel: socket.socket) -> None:
    with suppress(OSError):  # the other end may be closed already
        channel.shutdown(socket.SHUT_WR)
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _relay(channel: socket.socket, progress: Progress, errors: list[str]) -> None:
    with channel.makefile(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith("error: "):
                errors.append(line.removeprefix("error: ").rstrip("\n"))  # every rank says the same
            elif not replay(line, progress):
                print(line, end="", file=sys.stderr, flush=True)


def _judge(name: str, status: int, errors: list[str]) -> None:
    if status == EXIT_USER_ERROR and errors:
        raise UserError(errors[-1])
    if status == EXIT_WORKER_DIED and errors:
        raise WorkerDied(errors[-1])
    # a launcher ends with its rank's status, of which the system keeps eight bits: -9 becomes 247
    number = 256 - status if status > 192 else -status
    how = f"signal {number}" if number > 0 else f"exit status {status}"
    raise WorkerDied(f"{name} died ({how}), which ends the others, too")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
