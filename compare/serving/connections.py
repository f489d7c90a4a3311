"""Visitors' connections: how long one may do nothing, and how many there may be."""

import asyncio
import resource

from uvicorn.protocols.http.h11_impl import H11Protocol

SECONDS_TO_ASK = 10
_SECONDS_TO_TAKE_THE_ANSWER = 30.0


class Connection(H11Protocol):
    """A connection that is closed when no whole request comes, or when its answer is not taken.

    uvicorn's own clock runs only after an answer, and any byte stops it. Here it starts with the connection and stops
    at a request's end of header. Of more connections than ``most`` at once, the one that has waited for its visitor
    for longest is closed, so that silent ones keep nobody out.
    """

    # half of the files that the process may have open
    most = min(500, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        # so that pause_writing comes with the first byte that nobody takes
        transport.set_write_buffer_limits(high=0)
        self._since, self._untaken = self.loop.time(), None
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        self._make_room()

    def data_received(self, data: bytes) -> None:
        # as uvicorn's, which stops the clock here
        self.conn.receive_data(data)
        self.handle_events()

    def on_response_complete(self) -> None:
        self._since = self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._untaken = self.loop.call_later(_SECONDS_TO_TAKE_THE_ANSWER, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._untaken.cancel()
        self._untaken = None

    def _make_room(self) -> None:
        # a connection that is closing is in the set until asyncio reports it closed
        there = [other for other in self.connections if not other.transport.is_closing()]
        if len(there) > self.most:
            waiting = (other for other in there if other._is_visitors_turn())
            min(waiting, key=lambda other: other._since).transport.abort()

    def _is_visitors_turn(self) -> bool:
        """Whether the visitor has yet to ask, to send the rest of a request's body, or to take the answer."""
        return bool(self.timeout_keep_alive_task or self.cycle.more_body or self._untaken)
