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
from styleflax.web.options import check_request, read_options
from styleflax.web.protocol import make_protocol
from styleflax.web.site import SITE, WORKER, mark_version
from styleflax.web.uploads import check_length, receive_upload
from styleflax.web.work import Task, check_pictures, describe_failure, make_worker

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
    """The settings of an app.

    Attributes:
        offered: Models that clients can request, by name.
        devices: Devices; one worker is started for each.
        page: Folder of the built page; None if the page is not built.
        hosts: Names by which clients may reach the app, in addition to `LOOPBACK`.
        limits: Limits on requests.
    """

    offered: Mapping[str, Offered]
    devices: Sequence[jax.Device]
    page: Path | None = None
    hosts: Sequence[str] = ()
    limits: Limits = dataclasses.field(default_factory=Limits)


def create_app(parts: App) -> fastapi.FastAPI:
    """Returns the ASGI application, for uvicorn or a test client.

    Its files are in a temporary folder, which is removed at shutdown.

    Args:
        parts: Its settings.
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
        # Off, because these pages load scripts from other hosts.
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
        """Returns versions, devices, models and limits."""
        return info

    @app.post(f"{API}jobs", status_code=202)
    async def submit(request: fastapi.Request) -> dict[str, Any]:
        """Queues a job: a form with the part `options` (JSON), followed by files."""
        jobs: Jobs = app.state.jobs
        try:
            check_length(request.headers, limits)
            with jobs.place() as job:
                chunks = aiter(request.stream())
                task = await _receive(request, chunks, job, limits)
                check_request(task.options, task.files, own_styles, limits)
                task = await asyncio.to_thread(check_pictures, task, limits)
                jobs.submit(job, task)
                return _record(jobs, job)
        except RefusedError as error:
            # Many clients read a response only after they have sent everything.
            if error.status not in _HUNG_UP_ON:
                await _drain(request)
            error.headers["Connection"] = "close"
            raise

    @app.get(f"{API}jobs/{{job_id}}")
    async def watch(job_id: str) -> dict[str, Any]:
        """Returns the state and progress of a job."""
        jobs: Jobs = app.state.jobs
        return _record(jobs, jobs.find(job_id))

    @app.get(f"{API}jobs/{{job_id}}/result")
    async def fetch(job_id: str) -> FileResponse:
        """Sends the file that a job wrote."""
        job = app.state.jobs.find(job_id)
        if job.result is None or job.state != "done":
            raise RefusedError(409, f"the job has no result; its state is {job.state}")
        path, media_type = job.result.path, job.result.media_type
        return FileResponse(path, media_type=media_type, filename=path.name)

    @app.delete(f"{API}jobs/{{job_id}}")
    async def stop(job_id: str) -> dict[str, Any]:
        """Cancels a job if it has not ended, and removes all of its files."""
        jobs: Jobs = app.state.jobs
        job = jobs.find(job_id)
        jobs.stop(job)
        return _record(jobs, job)


async def _receive(
    request: fastapi.Request, chunks: AsyncIterator[bytes], job: Job, limits: Limits
) -> Task:
    try:
        upload = await receive_upload(chunks, request.headers, job.folder, limits)
    except ClientDisconnect:
        raise RefusedError(400, "the upload was interrupted") from None
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise refuse_full("the disk of the machine is full", 60.0) from None
    return Task(read_options(upload.options), upload.files)


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
    """Returns the description of a job for its client."""
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
            """Explains how to build the page."""
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
        """Returns the models and images of the page, and the address of the API."""
        return site

    @app.get(f"/{WORKER}")
    async def keep_page() -> Response:
        """Sends the service worker with a version of its own for this page."""
        return Response(worker, media_type=_TYPES[".js"])

    for suffix, media_type in _TYPES.items():
        mimetypes.add_type(media_type, suffix)
    app.mount("/", StaticFiles(directory=page, html=True))


async def _refused(_: fastapi.Request, error: Any) -> Response:
    return JSONResponse({"error": error.message}, error.status, error.headers)


async def _not_found(_: fastapi.Request, error: Any) -> Response:
    return JSONResponse({"error": str(error.detail)}, error.status_code, error.headers)


async def _fault(_: fastapi.Request, error: Exception) -> Response:
    text = f"the request failed because of a fault in the app: {type(error).__name__}"
    return JSONResponse({"error": text}, 500)


def listen(host: str, port: int) -> socket.socket:
    """Returns a socket that listens on an address.

    Args:
        host: A name or an address of this machine.
        port: The port; 0 picks a free one.

    Raises:
        OSError: If the port is taken, or the address is not of this machine.
    """
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen()  # early clients wait until the app accepts them
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(
            f"cannot listen on {host}, port {port}: {reason}; choose another --port"
        ) from None
    return listening


def run_app(
    parts: App, listening: socket.socket, on_start: Callable[[], None] | None = None
) -> None:
    """Serves an app until SIGINT or SIGTERM, then removes its files.

    Args:
        parts: Its settings.
        listening: The socket that `listen` returned.
        on_start: Function called once the app answers requests.
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
