"""uvicorn's HTTP protocol with a deadline for headers."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


def make_protocol(header_s: float) -> type[H11Protocol]:
    """Returns a uvicorn protocol that closes connections whose headers are late.

    Args:
        header_s: Seconds within which the headers must be complete, counted from the
            connection or from the first byte of a later request.
    """

    class PunctualProtocol(H11Protocol):
        """HTTP/1.1 with a deadline, so that silent clients cannot hold connections."""

        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._expect_headers()

        def connection_lost(self, exc: Exception | None) -> None:
            self._forget_deadline()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.conn.their_state is not h11.IDLE:
                self._forget_deadline()
            elif self._deadline is None and not self.transport.is_closing():
                self._expect_headers()

        def _expect_headers(self) -> None:
            self._deadline = self.loop.call_later(header_s, self.transport.abort)

        def _forget_deadline(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

    return PunctualProtocol
