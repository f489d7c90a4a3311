"""Decoding strangers' pictures in processes of their own, which are ended when a picture takes too long."""

import asyncio
import functools
import math
import resource
from io import BytesIO
from pathlib import Path

import anyio
import numpy as np
from anyio import BrokenWorkerProcess, to_process
from PIL import Image

from compare.serving.answering import Unavailable
from shared.data.pictures import read_picture
from shared.system.errors import UserError

MAX_PIXELS = 40_000_000
SECONDS_TO_DECODE = 8.0
_SECONDS_TO_WAIT = 20.0
_AT_ONCE = 3
# the largest pictures take 25 to 30 bytes a pixel: those of 16 bits a sample, and transparent ones
_MEMORY = 2 * 2**30


class TooCostly(Exception):
    """A picture takes more time or memory than it may."""


class Decoders:
    """A few processes that decode, started when they are needed.

    ``size`` (height, width) is what pictures become, ``seconds`` and ``memory`` (bytes) what one may take.
    """

    def __init__(self, size: tuple[int, int], seconds: float = SECONDS_TO_DECODE, memory: int = _MEMORY) -> None:
        self._size, self._seconds, self._memory = size, seconds, memory
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def decode(self, picture: bytes, name: str) -> np.ndarray:
        """``read_picture`` of a file's content, as soon as a process is free.

        Raises UserError like it, TooCostly where the process was ended or ended itself (the next picture gets another)
        and Unavailable where none becomes free.
        """
        await self._wait()
        try:
            await self.start()
            with anyio.fail_after(self._seconds):
                return await _in_process(_decode, picture, name, self._size)
        except (TimeoutError, BrokenWorkerProcess, MemoryError) as error:
            raise TooCostly(
                f"{name}: expected a picture that can be decoded within {self._seconds:g} seconds and "
                f"{self._memory // 2**30} GB of memory, received one that takes more; make it smaller or save it as PNG"
            ) from error
        finally:
            self._free.release()

    async def _wait(self) -> None:
        try:
            with anyio.fail_after(_SECONDS_TO_WAIT):
                await self._free.acquire()
        except TimeoutError as error:
            raise Unavailable(
                "expected room for a picture, but too many wait to be decoded; try again later"
            ) from error

    async def start(self) -> None:
        """Have a process ready, so that a picture's seconds are its own; raises Unavailable when none starts."""
        try:
            await self._limit_one()
        except BrokenWorkerProcess:  # one that was there, and was ended from outside
            try:
                await self._limit_one()
            except BrokenWorkerProcess as error:
                raise Unavailable("expected a process that decodes pictures, but it ended; try again later") from error

    async def _limit_one(self) -> None:
        await _in_process(_limit, self._seconds, self._memory)


async def _in_process(function: object, *arguments: object) -> object:
    # the caller holds one of the semaphore's places, so nothing is left to limit
    return await to_process.run_sync(function, *arguments, cancellable=True, limiter=anyio.CapacityLimiter(1))


def _limit(seconds: float, memory: int) -> None:
    """In the process: limit what one picture may take, even when the server that would end it is gone."""
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    used = resource.getrusage(resource.RUSAGE_SELF)
    _lower(resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime + seconds))
    _lower(resource.RLIMIT_AS, _own_memory() + memory)


@functools.cache
def _own_memory() -> int:
    """Bytes of address space before any picture."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _lower(limit: int, value: int) -> None:
    hardest = resource.getrlimit(limit)[1]
    resource.setrlimit(limit, (value if hardest == resource.RLIM_INFINITY else min(value, hardest), hardest))


def _decode(picture: bytes, name: str, size: tuple[int, int]) -> np.ndarray:
    try:
        return read_picture(BytesIO(picture), name, size)
    except UserError as error:
        if isinstance(error.__cause__, MemoryError):
            raise error.__cause__ from None
        raise
