"""server.py LIBRARIES ADDRESS: runs commands of the project in forks that have it and LIBRARIES imported, each in one.

It ends with its standard input. A command is killed when whoever asked for it is gone.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = {
    "torch": ("torch", "torchvision", "lightning", "safetensors.numpy", "PIL.Image", "rich.progress"),
    "paddle": ("paddle_impl.runtime", "safetensors.numpy", "PIL.Image", "rich.progress"),
    "commands": ("pandas", "matplotlib.figure", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg"),
}
LIBRARIES["commands"] += (
    "scipy.stats",
    "scipy.special",
    "scipy.io",
    "jinja2",
    "requests",
    "pooch",
    "safetensors.numpy",
)
LIBRARIES["commands"] += ("PIL.Image", "rich.progress")
# where the extra is installed
OPTIONAL = {"torch": ("onnxscript",), "paddle": (), "commands": ()}
COMMON = ("numpy", "numba", "scipy", "sklearn.datasets")
# of the project
PACKAGES = {"torch": ("shared", "torch_impl"), "paddle": ("shared", "paddle_impl"), "commands": ("shared", "compare")}


def serve(listener, libraries):
    """Answer until standard input ends; in a fork, return what it is to do, and the variables that imports have set."""
    selector, forks, is_ready, before = selectors.DefaultSelector(), {}, False, set(os.environ)
    selector.register(listener, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is sys.stdin:
                for pid in {pid for pid, _ in forks.values()}:
                    os.kill(pid, signal.SIGKILL)
                os._exit(0)
            if key.fileobj is not listener:
                _follow(key.fileobj, forks, selector)
                continue
            if not is_ready:
                for name in (*COMMON, *LIBRARIES[libraries]):
                    importlib.import_module(name)
                for name in OPTIONAL[libraries]:
                    with suppress(ImportError):
                        importlib.import_module(name)
                _prepare_project(PACKAGES[libraries])
                gc.freeze()  # a fork's collections would copy every page
                is_ready = True
            connection, _ = listener.accept()
            request, streams = _receive(connection)
            pid = os.fork()
            if not pid:
                return request, streams, {name: os.environ[name] for name in os.environ.keys() - before}
            for stream in streams:
                os.close(stream)
            for watched in (connection, os.pidfd_open(pid)):
                forks[watched] = pid, connection
                selector.register(watched, selectors.EVENT_READ)


def _prepare_project(packages):
    """Import all modules, in which nothing runs at that, and let numba find its compiled functions."""
    import numpy as np

    for file in (file for package in packages for file in sorted((ROOT / package).rglob("[a-z]*.py"))):
        importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
    from shared.scoring.counting import Side, distance_counts

    side = Side(np.zeros((1, 1), np.uint64), np.zeros(1, np.int64))
    distance_counts(side, side, 1)


def _receive(connection):
    head, streams, _, _ = socket.recv_fds(connection, 8, 3)
    with connection.makefile("rb", buffering=0) as file:
        text = b""
        while len(text) < int.from_bytes(head, "little"):
            text += file.read(int.from_bytes(head, "little") - len(text))
    return json.loads(text), streams


def _follow(watched, forks, selector):
    """A signal for a fork, the end of who asked for it, or its own."""
    if watched not in forks:
        return  # its other end came first
    pid, connection = forks[watched]
    if watched is connection:
        numbers = connection.recv(16)
        for number in numbers or [signal.SIGKILL]:
            os.kill(pid, number)
        if not numbers:
            selector.unregister(connection)
            connection.close()
            del forks[connection]
        return
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    selector.unregister(watched)
    os.close(watched)
    del forks[watched]
    if connection in forks:
        selector.unregister(connection)
        del forks[connection]
        connection.sendall(status.to_bytes(4, "little", signed=True))
        connection.close()


def become(request, streams, set_by_imports):
    """Be the process that was asked for, up to its first line and with its imports done."""
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(set_by_imports | request["environment"])
    os.chdir(request["folder"])
    os.umask(request["umask"])
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=False, write_through=bool(os.environ.get("PYTHONUNBUFFERED")))
    sys.stderr.reconfigure(line_buffering=True)


@contextmanager
def leaving_at_once():
    """End the process as Python does, but for freeing all that was imported: in a fork that copies every page of it."""
    status = 0
    try:
        yield
    except SystemExit as end:
        status = end.code
    except Exception:  # Ctrl-C goes on to Python, which ends by the signal
        sys.excepthook(*sys.exc_info())
        status = 1
    if isinstance(status, str):
        print(status, file=sys.stderr)
        status = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        status = 120
    os._exit(status or 0)


sys.path[0] = str(ROOT)
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[2])
listener.listen(64)
os.write(1, b"\n")
request, *rest = serve(listener, sys.argv[1])
listener.close()
become(request, *rest)
command, arguments = request["command"]
with leaving_at_once():
    if command.endswith(".py"):
        sys.argv = [command, *arguments]
        runpy.run_path(command, run_name="__main__")
    else:
        from shared.system.start import begin

        begin()
        sys.argv = [command, *arguments]
        runpy.run_module(command, run_name="__main__", alter_sys=True)
