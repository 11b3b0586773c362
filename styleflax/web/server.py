"""The local app: routes, and the server that runs them."""

import asyncio
import contextlib
import dataclasses
import importlib.util
import json
import mimetypes
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import fastapi
import jax
import uvicorn
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

import styleflax
from styleflax.files import is_disk_full
from styleflax.inference.gatys.presets import PRESETS
from styleflax.web.guard import API, HEADER_BYTES, LOOPBACK, Guard
from styleflax.web.jobs import Job, Jobs
from styleflax.web.limits import Limits, RefusedError, refuse_full
from styleflax.web.offers import Offered
from styleflax.web.options import check_asked, read_options
from styleflax.web.protocol import make_protocol
from styleflax.web.site import SITE, WORKER, mark_version
from styleflax.web.uploads import check_length, receive_upload
from styleflax.web.work import Asked, check_pictures, describe_failure, make_worker

_FORGET_EVERY_S = 5.0
_DRAINED_BYTES, _DRAINED_S = 4 << 20, 2.0
_HUNG_UP_ON = frozenset({408})
_FORMATS = ("png", "jpg", "webp", "tif", "bmp")
_TYPES = {
    ".mjs": "text/javascript",
    ".js": "text/javascript",
    ".wasm": "application/wasm",
    ".onnx": "application/octet-stream",
    ".webmanifest": "application/manifest+json",
}


@dataclasses.dataclass(frozen=True)
class App:
    """What an app is made of.

    Attributes:
        offered: Models that can be asked for.
        devices: One worker is started for each.
        page: The folder of the built page; None if there is none.
        hosts: Names by which it may be reached, beside those of `LOOPBACK`.
        limits: What it accepts.
    """

    offered: Mapping[str, Offered]
    devices: Sequence[jax.Device]
    page: Path | None = None
    hosts: Sequence[str] = ()
    limits: Limits = dataclasses.field(default_factory=Limits)


def create_app(parts: App) -> fastapi.FastAPI:
    """Returns the app as an ASGI program, as uvicorn and test clients take it.

    Its files are in a temporary folder from startup to shutdown.

    Args:
        parts: What it is made of.
    """
    limits = parts.limits

    @contextlib.asynccontextmanager
    async def lifespan(app: fastapi.FastAPI) -> AsyncIterator[None]:
        folder = Path(tempfile.mkdtemp(prefix="styleflax-app-"))
        workers = [make_worker(parts.offered, x, limits) for x in parts.devices]
        jobs = app.state.jobs = Jobs(folder, workers, describe_failure, limits)
        forgetting = asyncio.create_task(_forget_always(jobs))
        try:
            yield
        finally:
            forgetting.cancel()
            await asyncio.to_thread(jobs.close)
            shutil.rmtree(folder, ignore_errors=True)

    app = fastapi.FastAPI(
        title="styleflax",
        version=styleflax.__version__,
        # Their pages load scripts of other hosts.
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{API}openapi.json",
        lifespan=lifespan,
    )
    app.add_middleware(
        Guard, hosts=(*LOOPBACK, *parts.hosts), send_s=3 * limits.chunk_s
    )
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(HTTPException, _not_found)
    app.add_exception_handler(Exception, _fault)
    _add_api(app, parts)
    _add_page(app, parts.page)
    return app


def _add_api(app: fastapi.FastAPI, parts: App) -> None:
    limits = parts.limits
    info = _info(parts)
    own_styles = {
        name: offered.description["styles"] for name, offered in parts.offered.items()
    }

    @app.get(f"{API}info")
    async def describe_app() -> dict[str, Any]:
        """Tells versions, devices, models and limits."""
        return info

    @app.post(f"{API}jobs", status_code=202)
    async def submit(request: fastapi.Request) -> dict[str, Any]:
        """Takes a job: a form of the part `options` (JSON) and of files."""
        jobs: Jobs = app.state.jobs
        try:
            check_length(request.headers, limits)
            with jobs.place() as job:
                chunks = aiter(request.stream())
                asked = await _receive(request, chunks, job, limits)
                check_asked(asked.options, asked.files, own_styles, limits)
                asked = await asyncio.to_thread(check_pictures, asked, limits)
                jobs.submit(job, asked)
                return _record(jobs, job)
        except RefusedError as error:
            # So that the client has sent everything when it is answered, and reads it.
            if error.status not in _HUNG_UP_ON:
                await _drain(request)
            error.headers["Connection"] = "close"
            raise

    @app.get(f"{API}jobs/{{job_id}}")
    async def watch(job_id: str) -> dict[str, Any]:
        """Tells the state and progress of a job."""
        jobs: Jobs = app.state.jobs
        return _record(jobs, jobs.find(job_id))

    @app.get(f"{API}jobs/{{job_id}}/result")
    async def fetch(job_id: str) -> FileResponse:
        """Sends the file that a job made."""
        job = app.state.jobs.find(job_id)
        if job.result is None or job.state != "done":
            raise RefusedError(409, f"the job has no result: it is {job.state}")
        path, media_type = job.result.path, job.result.media_type
        return FileResponse(path, media_type=media_type, filename=path.name)

    @app.delete(f"{API}jobs/{{job_id}}")
    async def stop(job_id: str) -> dict[str, Any]:
        """Cancels a job that has not ended, and removes all of its files."""
        jobs: Jobs = app.state.jobs
        job = jobs.find(job_id)
        jobs.stop(job)
        return _record(jobs, job)


async def _receive(
    request: fastapi.Request, chunks: AsyncIterator[bytes], job: Job, limits: Limits
) -> Asked:
    try:
        upload = await receive_upload(chunks, request.headers, job.folder, limits)
    except ClientDisconnect:
        raise RefusedError(400, "the upload broke off") from None
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise refuse_full("the disk of the machine is full", 60.0) from None
    return Asked(read_options(upload.options), upload.files)


async def _drain(request: fastapi.Request) -> None:
    """Reads the rest of a small body, for a short while."""
    received = 0
    with contextlib.suppress(TimeoutError, ClientDisconnect, RuntimeError):
        async with asyncio.timeout(_DRAINED_S):
            async for chunk in request.stream():
                received += len(chunk)
                if received > _DRAINED_BYTES:
                    break


def _info(parts: App) -> dict[str, Any]:
    kinds = [{"platform": x.platform, "kind": x.device_kind} for x in parts.devices]
    return {
        "version": styleflax.__version__,
        "devices": kinds,
        "models": [dict(offered.description) for offered in parts.offered.values()],
        "gatys_presets": list(PRESETS),
        "video": importlib.util.find_spec("av") is not None,
        "formats": list(_FORMATS),
        "limits": parts.limits.public(),
    }


def _record(jobs: Jobs, job: Job) -> dict[str, Any]:
    """What a client is told of a job."""
    result = None
    if job.result is not None and job.state == "done":
        result = {
            "url": f"{API.lstrip('/')}jobs/{job.id}/result",
            "media_type": job.result.media_type,
            "bytes": job.result.path.stat().st_size if job.result.path.exists() else 0,
            "width": job.result.width,
            "height": job.result.height,
            "frames": job.result.num_frames,
        }
    return {
        "id": job.id,
        "state": job.state,
        "ahead": jobs.num_ahead(job),
        "progress": {"phase": job.phase, "done": job.done, "total": job.total},
        "error": job.error,
        "notes": list(job.notes),
        "seconds": round(job.seconds, 3),
        "result": result,
    }


async def _forget_always(jobs: Jobs) -> None:
    while True:
        await asyncio.sleep(_FORGET_EVERY_S)
        await asyncio.to_thread(jobs.forget_old)


def _add_page(app: fastapi.FastAPI, page: Path | None) -> None:
    if page is None:

        @app.get("/")
        async def say_missing() -> None:
            """Says what to do where the page is not built."""
            raise RefusedError(
                404,
                "the page is not built: run `make site` in the checkout, or use the "
                f"API, which begins at {API}info",
            )

        return
    site = {**json.loads((page / SITE).read_text("utf-8")), "api": API.lstrip("/")}
    worker = mark_version((page / WORKER).read_text("utf-8"), "-app")

    @app.get(f"/{SITE}")
    async def describe_page() -> dict[str, Any]:
        """Tells what the page offers, and where the API is."""
        return site

    @app.get(f"/{WORKER}")
    async def keep_page() -> Response:
        """Sends the service worker, which takes this page for another version."""
        return Response(worker, media_type=_TYPES[".js"])

    for suffix, media_type in _TYPES.items():
        mimetypes.add_type(media_type, suffix)
    app.mount("/", StaticFiles(directory=page, html=True))


async def _refused(_: fastapi.Request, error: Any) -> Response:
    return JSONResponse({"error": error.message}, error.status, error.headers)


async def _not_found(_: fastapi.Request, error: Any) -> Response:
    return JSONResponse({"error": str(error.detail)}, error.status_code, error.headers)


async def _fault(_: fastapi.Request, error: Exception) -> Response:
    text = f"the request failed by a fault of the app: {type(error).__name__}"
    return JSONResponse({"error": text}, 500)


def listen(host: str, port: int) -> socket.socket:
    """Returns a socket that listens on an address.

    Args:
        host: A name or an address.
        port: 0 for one that is free.

    Raises:
        OSError: It is taken, or not of this machine; says which.
    """
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen()  # clients that are early wait
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(
            f"cannot listen on {host}, port {port}: {reason}; choose another --port"
        ) from None
    return found


def run_app(
    parts: App, listening: socket.socket, on_start: Callable[[], None] | None = None
) -> None:
    """Serves an app until SIGINT or SIGTERM, and removes its files then.

    Args:
        parts: What it is made of.
        listening: What `listen` returned.
        on_start: Called when requests are answered.
    """
    config = uvicorn.Config(
        create_app(parts),
        http=make_protocol(parts.limits.header_s),
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=parts.limits.connections,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=3,
        h11_max_incomplete_event_size=HEADER_BYTES,
    )

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if on_start is not None and self.started:
                on_start()

    Server(config).run(sockets=[listening])
