"""The socket and the server on it."""

import logging
import socket

import uvicorn
from starlette.types import ASGIApp

from compare.frameworks.records import FRAMEWORKS
from compare.serving.app import is_loopback, make_app
from compare.serving.connections import SECONDS_TO_ASK, Connection
from compare.serving.lookup import Lookup
from shared.system.errors import UserError

_SECONDS_TO_FINISH = 5
# connections that are taken at a time, and that wait for it
_TAKEN_AT_ONCE, _QUEUE = 16, 2048


class _Server(uvicorn.Server):
    """A server with a long queue: asyncio accepts as many connections at once as may wait, too many for open files."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or []:
            listener.listen(_QUEUE)


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections; UserError when it cannot."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(
            f"expected --host and --port that are free here, received {host} and {port}: {reason}; "
            "--port 0 takes any free port"
        ) from error


def serve(lookup: Lookup, listener: socket.socket, host: str) -> None:
    """Serve at ``listener``, which listens at ``host``, until a signal; say on stdout where, and what is left out."""
    for framework, reason in lookup.missing.items():
        print(f"{FRAMEWORKS[framework].title} is left out: {reason}")
    if not is_loopback(host):
        print(f"warning: --host {host}: whoever reaches this machine can use the page; there is no password")
    name = f"[{host}]" if ":" in host else host
    print(
        f"http://{name}:{listener.getsockname()[1]}/ shows {lookup.bits} bits, seed {lookup.seed}; Ctrl-C ends it",
        flush=True,
    )
    make_server(make_app(lookup, host)).run(sockets=[listener])


def make_server(app: ASGIApp, seconds_to_ask: int = SECONDS_TO_ASK) -> uvicorn.Server:
    """A server of the application that strangers may reach; see ``Connection``."""
    # it warns of a decoder that ended just when the server does, whose status another of its threads has read
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    config = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        backlog=_TAKEN_AT_ONCE,
        log_config=None,
        log_level="error",  # at a lower level uvicorn logs every line that is not HTTP
        access_log=False,
        server_header=False,
        timeout_keep_alive=seconds_to_ask,
        timeout_graceful_shutdown=_SECONDS_TO_FINISH,
    )
    return _Server(config)
