"""What keeps the page there for others: silent, slow and greedy visitors, and pictures that are dear to decode."""

import asyncio
import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from compare.serving import connections, uploads
from compare.serving.connections import Connection
from compare.serving.decoding import Decoders, TooCostly
from compare.serving.server import make_server
from compare.serving.uploads import Uploads
from shared.system.errors import UserError
from tests import helpers
from tests.costly import progressive_jpeg, tiled_tiff
from tests.servers import in_thread, picture
from tests.worker.test_predict import stored

POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


async def give(request):
    return PlainTextResponse(2**16 * "a")


@contextmanager
def serving(receive=give, seconds_to_ask=1):
    """Where a server of one page listens: ``give`` for GET, ``receive`` for POST."""
    app = Starlette(routes=[Route("/", give), Route("/", receive, methods=["POST"])])
    with in_thread(make_server(app, seconds_to_ask)) as address:
        yield address


def connect(address, stack, *sent):
    connection = stack.enter_context(socket.create_connection(address, timeout=10))
    for part in sent:
        connection.sendall(part)
    return connection


def answer(address, request=b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"):
    """Status of one request; TimeoutError for who is kept waiting."""
    with ExitStack() as stack:
        return int(connect(address, stack, request).recv(12).split()[1])


def was_closed(connection):
    """Whether the server closes it, rather than let the visitor wait."""
    try:
        while connection.recv(2**16):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


def trickle(connection, times):
    for _ in range(times):
        connection.sendall(b"a")
        time.sleep(0.1)


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: ", b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET "])
def test_who_asks_nothing_is_closed(sent):
    with serving() as address, ExitStack() as stack:
        assert was_closed(connect(address, stack, sent))


def test_bytes_now_and_then_are_no_request():
    with serving() as address, ExitStack() as stack:
        trickling = connect(address, stack, b"GET / HTTP/1.1\r\n")
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            trickle(trickling, 100)


def test_a_connection_is_used_again():
    with serving() as address, ExitStack() as stack:
        connection = connect(address, stack)
        for _ in range(3):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            received = b""
            while not received.endswith(100 * b"a"):
                received += connection.recv(2**17)
            time.sleep(0.6)


@pytest.mark.parametrize("sent", [b"", b"GET /", POST % 100 + b"abc"])
def test_silent_visitors_keep_nobody_out(monkeypatch, sent):
    async def receive(request):
        return PlainTextResponse(await request.body())

    monkeypatch.setattr(Connection, "most", 20)
    with serving(receive, seconds_to_ask=30) as address, ExitStack() as stack:
        first, *_ = [connect(address, stack, sent) for _ in range(100)]
        assert answer(address) == 200
        assert was_closed(first)


def test_who_does_not_take_the_answer_is_closed(monkeypatch):
    monkeypatch.setattr(connections, "_SECONDS_TO_TAKE_THE_ANSWER", 0.5)
    with serving() as address, ExitStack() as stack:
        greedy = connect(address, stack, 500 * b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(2)
        received = 0
        with suppress(ConnectionResetError):
            while part := greedy.recv(2**20):
                received += len(part)
    assert received < 250 * 2**16  # what lay in buffers, and not all 500 answers


def receiver(room):
    async def receive(request):
        async with room.body(request) as body:
            return PlainTextResponse(str(len(body)))

    return receive


def test_slow_bodies_make_room(monkeypatch):
    monkeypatch.setattr(uploads, "_PATIENCE", 0.5)
    with serving(receiver(Uploads(1_000_000))) as address, ExitStack() as stack:
        slow = [connect(address, stack, POST % 500_000 + bytes(400_000)) for _ in range(6)]
        assert answer(address, POST % 900_000 + bytes(900_000)) == 200
        assert b" 408 " in slow[0].recv(20)


def test_bodies_wait_for_room_and_none_is_lost():
    """Of three that fit together, others wait for the end of each, whatever they have sent already."""
    room, inside, most = Uploads(1_000_000), set(), []

    async def receive(request):
        async with room.body(request) as body:
            inside.add(request)
            most.append(len(inside))
            await asyncio.sleep(0.1)
            inside.remove(request)
            return PlainTextResponse(str(len(body)))

    with serving(receive) as address, ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda _: answer(address, POST % 300_000 + bytes(300_000)), range(20)))
    assert statuses == 20 * [200]
    assert max(most) == 3


def test_bodies_that_take_too_long(monkeypatch):
    monkeypatch.setattr(uploads, "_SECONDS_TO_UPLOAD", 0.5)
    with serving(receiver(Uploads(1_000_000))) as address, ExitStack() as stack:
        stalled = connect(address, stack, POST % 500 + b"abc")
        with stalled.makefile("rb") as file:
            text = file.read()  # up to where the server closes the connection
    assert b" 408 " in text
    assert b"expected the whole picture within 0.5 seconds, received 3 bytes" in text


@pytest.mark.parametrize("costly", [tiled_tiff(100_000), progressive_jpeg(500)], ids=["tiles", "scans"])
def test_costly_pictures_are_given_up_while_others_are_decoded(costly):
    async def decode():
        decoders, good = Decoders((8, 8), seconds=2), stored(picture(0)).read()
        refused = asyncio.create_task(decoders.decode(costly, "x"))
        await asyncio.sleep(0.1)
        assert (await decoders.decode(good, "good")).shape == (8, 8, 3)
        assert not refused.done()
        with pytest.raises(TooCostly, match="x: expected a picture that can be decoded within 2 seconds and 2 GB"):
            await refused
        assert (await decoders.decode(good, "good")).shape == (8, 8, 3)

    asyncio.run(decode())


def test_memory_of_a_picture_is_limited():
    """One tile of 1.3 GB, in a file of 1 kB: without the limit it is another error, after the memory was taken."""

    async def decode():
        with pytest.raises(UserError, match="decoder error -9"):
            await Decoders((8, 8), memory=2**30).decode(tiled_tiff(1, down=20_000), "x")

    asyncio.run(decode())


def test_largest_pictures_fit():
    """40 million pixels of 16 bits, which take most memory."""
    largest = stored(Image.new("I;16", (8000, 5000)), "TIFF", compression="tiff_lzw").read()
    assert asyncio.run(Decoders((8, 8), seconds=60).decode(largest, "x")).shape == (8, 8, 3)


def test_decoder_that_is_killed_is_replaced():
    async def decode():
        decoders, good = Decoders((8, 8)), stored(picture(0)).read()
        await decoders.start()
        before = [pid for pid in helpers.children(os.getpid()) if b"anyio" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        refused = asyncio.create_task(decoders.decode(tiled_tiff(100_000), "x"))
        await asyncio.sleep(0.2)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(TooCostly):
            await refused
        assert (await decoders.decode(good, "good")).shape == (8, 8, 3)

    asyncio.run(decode())


def test_what_asyncio_notes_is_not_said():
    """Such as "Unknown child process", for a decoder that ends just when the server does."""
    program = (
        "import logging; from starlette.applications import Starlette; from compare.serving.server import make_server; "
        "make_server(Starlette()); logging.getLogger('asyncio').warning('Unknown child process')"
    )
    assert helpers.run("-c", program).stderr == ""
