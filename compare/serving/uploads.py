"""Bodies of requests: how large each may be, how long it may take, and how much memory all may take together."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import Request

MAX_BYTES = 10 * 2**20
_SECONDS_TO_UPLOAD = 30.0
# after which an upload is given up when others need its memory
_PATIENCE = 5.0
_A_MOMENT = 0.05


@dataclass(eq=False)
class _Upload:
    body: bytearray = field(default_factory=bytearray)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    started: float = field(default_factory=time.monotonic)
    whole: bool = False

    @property
    def is_slow(self) -> bool:
        return time.monotonic() - self.started > _PATIENCE


class Uploads:
    """The bodies under way or in use, which take at most ``most`` bytes together.

    A body takes what has arrived of it. Where there is no room for more, all but the first wait for that one, and when
    it is slow, it is given up.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._uploads: list[_Upload] = []

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[bytes]:
        """The request's body, whose memory counts until the block ends.

        Raises HTTPException as soon as it is too large (413) or takes too long (408), and where it is empty (422).
        """
        _check_declared(request)
        upload = _Upload()
        self._uploads.append(upload)
        try:
            await self._receive(request, upload)
            yield bytes(upload.body)
        finally:
            if upload in self._uploads:
                self._uploads.remove(upload)

    async def _receive(self, request: Request, upload: _Upload) -> None:
        upload.scope.deadline = anyio.current_time() + _SECONDS_TO_UPLOAD
        with upload.scope:
            async for chunk in request.stream():
                await self._make_room(upload, len(chunk))
                upload.body += chunk
                if len(upload.body) > MAX_BYTES:
                    raise _too_large()
            upload.whole = True
        if not upload.whole:
            seconds, why = (_SECONDS_TO_UPLOAD, "") if upload in self._uploads else (_PATIENCE, " while others waited")
            expected = f"expected the whole picture within {seconds:g} seconds"
            raise HTTPException(408, f"{expected}, received {len(upload.body)} bytes{why}; try again")
        if not upload.body:
            raise HTTPException(422, "expected a picture as the body of the request, received nothing; choose a file")

    async def _make_room(self, upload: _Upload, size: int) -> None:
        while True:
            unfinished = [other for other in self._uploads if not other.whole]
            first = unfinished[0] if unfinished else upload
            whole = _bytes(other for other in self._uploads if other.whole)
            if whole + len(upload.body) + size <= self._most:
                # of several that wait for one another, one must go on
                if upload is first or whole + _bytes(unfinished) + size <= self._most:
                    return
                if first.is_slow:
                    self._uploads.remove(first)
                    first.scope.cancel()
                    continue
            await asyncio.sleep(_A_MOMENT)


def _bytes(uploads: Iterable[_Upload]) -> int:
    return sum(len(upload.body) for upload in uploads)


def _check_declared(request: Request) -> None:
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > MAX_BYTES:
        raise _too_large()


def _too_large() -> HTTPException:
    limit = f"at most {MAX_BYTES // 2**20} MB"
    return HTTPException(413, f"expected {limit}, received more; make the picture smaller")
