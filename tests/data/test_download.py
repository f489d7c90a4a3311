"""The downloader against a real HTTP server on this machine: whole, broken off, wrong, unreachable."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from shared.data.download import fetch_cifar10
from shared.system.errors import UserError
from tests.fakes import KeptProgress

CONTENT = bytes(range(256)) * 8192  # 2 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server:
    """Serves CONTENT; understands ranges; can break off the next answer half way."""

    def __init__(self):
        outer = self
        self.requests, self.break_next, self.content = [], False, CONTENT

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                asked = self.headers.get("Range")
                outer.requests.append(asked)
                start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
                body = outer.content[start:]
                self.send_response(206 if asked else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if outer.break_next:
                    outer.break_next = False
                    body = body[: len(body) // 2]
                self.wfile.write(body)
                self.close_connection = True

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/cifar-10-binary.tar.gz"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv("GREEDYHASH_CACHE", str(tmp_path / "cache"))
    server = Server()
    yield server
    server.http.shutdown()


def test_downloads_once_into_the_cache(server, tmp_path):
    progress = KeptProgress()
    path = fetch_cifar10(progress, server.url, SHA256)
    assert path.parent == tmp_path / "cache"
    assert path.read_bytes() == CONTENT
    assert progress.updates[-1][:3] == ("download", len(CONTENT), len(CONTENT))
    assert fetch_cifar10(progress, server.url, SHA256) == path
    assert server.requests == [None]


def test_goes_on_where_it_broke_off(server):
    server.break_next = True
    with pytest.raises(UserError, match="the part received is kept"):
        fetch_cifar10(KeptProgress(), server.url, SHA256)
    assert fetch_cifar10(KeptProgress(), server.url, SHA256).read_bytes() == CONTENT
    assert server.requests[0] is None
    assert int(server.requests[1].removeprefix("bytes=").rstrip("-")) > 0


def test_wrong_file_is_thrown_away(server, tmp_path):
    server.content = b"something else"
    with pytest.raises(UserError, match="expected SHA-256"):
        fetch_cifar10(KeptProgress(), server.url, SHA256)
    assert not list((tmp_path / "cache").glob("[!.]*"))
    server.content = CONTENT
    assert fetch_cifar10(KeptProgress(), server.url, SHA256).read_bytes() == CONTENT


def test_no_network_says_what_needs_none(server):
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(UserError, match=r"--data PATH.*--preset demo"):
        fetch_cifar10(KeptProgress(), server.url, SHA256)
