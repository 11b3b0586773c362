"""Middleware that refuses requests of other sites and sets security headers.

A page of another site can make a browser send requests to an app on this machine. It
cannot choose the headers Host (which, after DNS rebinding, names the other site),
Origin and Sec-Fetch-Site. The decision therefore rests on these three.
"""

import asyncio
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Names by which this machine reaches itself."""
API = "/api/"
HEADER_BYTES = 16 * 1024
"""Largest size of the headers of a request, in bytes."""
_OWN_SITES = frozenset({"same-origin", "none"})
_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'wasm-unsafe-eval' blob:",
        "worker-src 'self' blob:",
        "connect-src 'self' blob: data:",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "style-src 'self' 'unsafe-inline'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    # Both make the page cross-origin isolated, so that it may use threads.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Guard:
    """ASGI middleware that refuses foreign requests and completes all responses.

    Args:
        app: The application behind it.
        hosts: Names and addresses, without a port, that the header Host may contain.
        send_s: Seconds within which a client must accept the next bytes of a response.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str], send_s: float) -> None:
        self._app, self._send_s = app, send_s
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or passes it on to the application."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            raise ValueError(f"only HTTP is served, got {scope['type']}")
        is_private = scope["path"].startswith(API)

        async def send_completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                if is_private:
                    headers["Cache-Control"] = "no-store"
            async with asyncio.timeout(self._send_s):
                await send(message)

        answer: Any = self._app
        reason = self._why_foreign(Headers(scope=scope), is_private=is_private)
        if (
            sum(len(name) + len(value) for name, value in scope["headers"])
            > HEADER_BYTES
        ):
            answer = _refusal(
                431, f"headers must be at most {HEADER_BYTES} bytes in total"
            )
        elif reason is not None:
            answer = _refusal(403, reason)
        await answer(scope, receive, send_completed)

    def _why_foreign(self, headers: Headers, *, is_private: bool) -> str | None:
        """Returns one line that says why a request is refused; None if it is not."""
        host = headers.get("host", "")
        if _host_name(host) not in self._hosts:
            return (
                f"the header Host must name this app ({', '.join(sorted(self._hosts))}"
                f"), got {host[:80]!r}; start the app with --allow-host NAME to "
                "allow another name"
            )
        origin = headers.get("origin")
        if origin is not None and _netloc(origin) != host.lower():
            return f"requests from pages of {origin[:80]!r} are refused"
        site = headers.get("sec-fetch-site", "none")
        if is_private and site not in _OWN_SITES:
            return "requests from pages of other sites are refused"
        return None


def _refusal(status: int, reason: str) -> JSONResponse:
    return JSONResponse({"error": reason}, status, {"Connection": "close"})


def _host_name(host: str) -> str | None:
    """Returns the name in a header Host; None if the header is malformed."""
    try:
        parts = urlsplit(f"//{host}")
        parts.port  # noqa: B018  (raises ValueError if the port is not a number)
    except ValueError:
        return None
    plain = parts.netloc == host and "@" not in host
    return parts.hostname if plain else None


def _netloc(origin: str) -> str | None:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    return parts.netloc.lower() if parts.scheme in {"http", "https"} else None
