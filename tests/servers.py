"""A running ``compare/serve.py``, and asking it."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import helpers
from tests.prepared import REAL

FRAMEWORKS = [name for name in ("torch", "paddle") if helpers.is_installed(name)]
SIZES = [(8, 8), (40, 30), (31, 100)]


def start(*words):
    """The process, its output in ``stdout``; it takes any free port. Its workers are real ones, which tests kill."""
    command = [sys.executable, "compare/serve.py", "--port", "0", *map(str, words)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=helpers.PROJECT_ROOT, env=helpers.ENVIRONMENT | {REAL: "1"}, **pipes)


class Server:
    """A process that serves; ``address`` and ``port`` are where, ``lines`` what it printed until it did."""

    def __init__(self, *words):
        self.process, self.lines = start(*words), []
        for line in self.process.stdout:
            self.lines.append(line)
            if found := re.match(r"http://127\.0\.0\.1:(\d+)/", line):
                self.address, self.port = found[0], int(found[1])
                return
        raise AssertionError("".join(self.lines))

    def workers(self):
        """Process ids of the frameworks' workers, which are not its only children."""
        return [
            pid for pid in helpers.children(self.process.pid) if "_impl" in Path(f"/proc/{pid}/cmdline").read_text()
        ]

    def ask(self, path, body=None, **headers):
        """Status, headers and body of one request: GET, or POST where there is a body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request("GET" if body is None else "POST", path, body, names)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def json(self, path, body=None, status=200, **headers):
        found, _, content = self.ask(path, body, **headers)
        assert found == status, content
        return json.loads(content)

    def end(self, number=signal.SIGTERM):
        """End it by a signal and check that it ends well: status 0, nothing more said, no process left."""
        started = helpers.children(self.process.pid)
        self.process.send_signal(number)
        said = self.process.communicate(timeout=60)[0]
        assert (self.process.returncode, said) == (0, ""), f"status {self.process.returncode}: {said}"
        assert not [pid for pid in started if os.path.exists(f"/proc/{pid}")]


@pytest.fixture(scope="module")
def server(small_suite):
    """One server for a module's tests; it must end well."""
    server = Server(small_suite)
    yield server
    server.end(signal.SIGTERM)


@contextmanager
def in_thread(server):
    """Host and port at which a ``uvicorn.Server`` answers in a thread of this process."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            server.should_exit = True
            thread.join(20)
    assert not thread.is_alive()


@contextmanager
def serving(*words):
    """A server that is ended with the block, unless it ended before."""
    server = Server(*words)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.communicate()


def picture(number):
    """Noise, of one of three sizes."""
    return Image.fromarray(np.random.RandomState(number).randint(0, 256, (*SIZES[number % 3], 3), dtype=np.uint8))
