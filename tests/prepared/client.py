"""client.py ADDRESS PYTHON ...: as PYTHON ... does, in a fork of the server at ADDRESS where that is the same."""

import json
import os
import signal
import socket
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ENTRY = os.path.join(ROOT, "shared", "system", "entry.py")
# what the libraries read when they are imported, and how the project pins it
SETTINGS = (
    "GREEDYHASH_TEST_REAL_PROCESS",
    "GREEDYHASH_UNTUNED",
    "LD_PRELOAD",
    "PYTHONIOENCODING",
    "PYTHONUTF8",
    "LC_ALL",
)
OURS = ("torch_impl", "paddle_impl", "tests")


def project_command(words):
    """(module or script, arguments) of a command of the project, else None."""
    if len(words) > 1 and words[0] in ("-m", ENTRY):
        return (words[1], words[2:]) if words[1].split(".")[0] in OURS else None
    if words and words[0].startswith("compare/") and os.getcwd() == ROOT:
        return words[0], words[1:]
    return None


def is_plain(words):
    if "--deterministic" in words or any(words[at + 1 :][:1] != ["1"] for at in places(words, "--devices", "--nodes")):
        return False  # pinned before the framework is imported, or ranks, which are processes of their own
    if os.environ.get("OMP_NUM_THREADS") != "1" or any(os.environ.get(name) for name in SETTINGS):
        return False
    return os.environ.get("PYTHONPATH", ROOT) == ROOT


def places(words, *options):
    return [at for at, word in enumerate(words) if word in options]


def main():
    address, python, *words = sys.argv[1:]
    command = project_command(words)
    if command is None or not is_plain(words):
        os.execv(python, [python, *words])  # noqa: S606
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address)
    request = {"command": command, "environment": dict(os.environ), "folder": os.getcwd(), "umask": mask()}
    text = json.dumps(request).encode()
    socket.send_fds(connection, [len(text).to_bytes(8, "little")], [0, 1, 2])
    connection.sendall(text)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: connection.sendall(bytes([number])))
    for number in (0, 1, 2):
        os.close(number)  # the fork alone has the other ends
    answer = connection.recv(4)
    if len(answer) < 4:
        os._exit(1)  # the server is gone
    end_as(int.from_bytes(answer, "little", signed=True))


def mask():
    found = os.umask(0)
    os.umask(found)
    return found


def end_as(status):
    """End with this exit status or, below 0, by this signal."""
    if status < 0:
        signal.signal(-status, signal.SIG_DFL) if -status != signal.SIGKILL else None
        os.kill(os.getpid(), -status)
    os._exit(status)


main()
