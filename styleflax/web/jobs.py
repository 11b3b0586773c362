"""The job queue of the app: one worker per device, progress, cancellation, expiry."""

import contextlib
import dataclasses
import logging
import secrets
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from styleflax.web.limits import Limits, RefusedError, refuse_full

logger = logging.getLogger(__name__)

State = Literal["queued", "running", "done", "failed", "canceled"]
Phase = Literal[
    "waiting", "model", "styles", "stylizing", "optimizing", "frames", "writing"
]
_ENDED = frozenset({"done", "failed", "canceled"})
_FIRST_GUESS_S = 5.0
"""Assumed duration of a job in seconds until one has been timed."""
_NEWEST = 0.3
"""Weight of the latest job in the moving average of durations."""


class CanceledError(Exception):
    """Raised inside a job whose cancellation was requested."""


class Result(NamedTuple):
    """The file that a job wrote.

    Attributes:
        path: Its path, inside the folder of the job.
        media_type: Its media type, for example "image/png".
        width: Width in px.
        height: Height in px.
        num_frames: Number of frames of a video; None for an image.
    """

    path: Path
    media_type: str
    width: int
    height: int
    num_frames: int | None = None


@dataclasses.dataclass
class Job:
    """One job; its worker writes to it while requests read it.

    Attributes:
        id: A random identifier, known only to the client that sent the job.
        folder: Folder of all uploaded and written files; removed with the job.
        payload: The task, as the worker understands it.
        state: Stage of the job in the queue.
        phase: Current work of a running job.
        done: Number of finished steps of that phase.
        total: Number of steps of that phase; None if unknown.
        error: Reason of a failure, in one line.
        notes: Lines about options that could not be honored.
        result: The written file; None until the job is done.
        seconds: Run time of the job.
        ended_at: `time.monotonic()` at its end; 0 before.
        cancel_requested: Set when the job must end early.
    """

    id: str
    folder: Path
    payload: Any = None
    state: State = "queued"
    phase: Phase = "waiting"
    done: int = 0
    total: int | None = None
    error: str | None = None
    notes: list[str] = dataclasses.field(default_factory=list)
    result: Result | None = None
    seconds: float = 0.0
    ended_at: float = 0.0
    cancel_requested: threading.Event = dataclasses.field(
        default_factory=threading.Event
    )

    def at(self, phase: Phase, done: int = 0, total: int | None = None) -> None:
        """Records progress.

        Args:
            phase: Current work.
            done: Number of finished steps of that phase.
            total: Number of steps of that phase; None if unknown.

        Raises:
            CanceledError: If cancellation was requested.
        """
        if self.cancel_requested.is_set():
            raise CanceledError
        self.phase, self.done, self.total = phase, done, total

    def note(self, text: str) -> None:
        """Records a line about an option that could not be honored."""
        self.notes.append(" ".join(text.split()))


class Jobs:
    """All jobs of the app and the workers that run them.

    Args:
        folder: Folder in which every job gets a folder of its own.
        workers: One function per device that runs a job and returns its result. Each
            has a thread of its own and runs one job after another.
        describe: Function that turns an exception of a worker into one line.
        limits: Limits on the number of jobs and on how long results are retained.
    """

    def __init__(
        self,
        folder: Path,
        workers: Sequence[Callable[[Job], Result]],
        describe: Callable[[Job, BaseException], str],
        limits: Limits,
    ) -> None:
        self._folder, self._describe, self._limits = folder, describe, limits
        self._jobs: dict[str, Job] = {}
        self._waiting: deque[Job] = deque()
        self._num_reserved, self._mean_s = 0, _FIRST_GUESS_S
        self._changed, self._is_closed = threading.Condition(), False
        self._threads = [
            # Daemon threads, because a program on a device cannot be interrupted.
            threading.Thread(target=self._work, args=(worker,), daemon=True)
            for worker in workers
        ]
        for thread in self._threads:
            thread.start()

    @contextlib.contextmanager
    def place(self) -> Iterator[Job]:
        """Reserves a place in the queue, and yields a job with a folder for uploads.

        The job joins the queue at `submit`. If it was not submitted by the end of the
        block, it is removed with its folder.

        Raises:
            RefusedError: If the queue is full; the error says when to try again.
        """
        with self._changed:
            if self._num_reserved + len(self._waiting) >= self._limits.queue:
                raise refuse_full(
                    f"the queue is full ({self._limits.queue} jobs are waiting)",
                    self._mean_s,
                )
            self._num_reserved += 1
        job = Job(secrets.token_urlsafe(16), self._folder / secrets.token_hex(8))
        try:
            job.folder.mkdir(mode=0o700)
            yield job
        finally:
            with self._changed:
                self._num_reserved -= 1
                is_known = job.id in self._jobs
            if not is_known:
                _remove(job)

    def submit(self, job: Job, payload: Any) -> None:
        """Puts a job, for which `place` reserved a place, into the queue.

        Args:
            job: The job that `place` yielded.
            payload: The task, which is passed to the worker as `job.payload`.
        """
        job.payload = payload
        with self._changed:
            self._jobs[job.id] = job
            self._waiting.append(job)
            self._changed.notify()

    def find(self, job_id: str) -> Job:
        """Returns the job with this identifier.

        Raises:
            RefusedError: If there is none, or its result has expired.
        """
        job = self._jobs.get(job_id)
        if job is None:
            raise RefusedError(
                404,
                "there is no such job; results are retained for "
                f"{self._limits.retain_s / 60:g} minutes",
            )
        return job

    def num_ahead(self, job: Job) -> int:
        """Returns the number of waiting jobs that run before this one."""
        with self._changed:
            return self._waiting.index(job) if job in self._waiting else 0

    def stop(self, job: Job) -> None:
        """Cancels a job in any state, and removes it once it has ended."""
        with self._changed:
            job.cancel_requested.set()
            if job in self._waiting:
                self._waiting.remove(job)
                job.state, job.ended_at = "canceled", time.monotonic()
            if job.state in _ENDED:
                self._forget(job)

    def forget_old(self) -> None:
        """Removes expired jobs, and the oldest ones above the limit on their number."""
        with self._changed:
            ended = [job for job in self._jobs.values() if job.state in _ENDED]
            ended.sort(key=lambda job: job.ended_at)
            surplus = max(0, len(ended) - self._limits.retained_jobs)
            past = time.monotonic() - self._limits.retain_s
            for place, job in enumerate(ended):
                if place < surplus or job.ended_at < past:
                    self._forget(job)

    def close(self, patience_s: float = 5.0) -> bool:
        """Cancels all jobs, and returns whether all workers ended in time.

        Args:
            patience_s: Seconds to wait for the workers.
        """
        with self._changed:
            self._is_closed = True
            for job in [*self._jobs.values()]:
                job.cancel_requested.set()
            self._waiting.clear()
            self._changed.notify_all()
        deadline = time.monotonic() + patience_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self, worker: Callable[[Job], Result]) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closed)
                if self._is_closed:
                    return
                job = self._waiting.popleft()
                job.state = "running"
            self._run(job, worker)
            self.forget_old()

    def _run(self, job: Job, worker: Callable[[Job], Result]) -> None:
        started = time.monotonic()
        state: State = "failed"
        try:
            job.result = worker(job)
            state = "done"
        except CanceledError:
            state = "canceled"
        except Exception as error:  # a failing job must not end the worker
            job.error = self._describe(job, error)
            logger.debug("job failed", exc_info=error)
        result_path = None if job.result is None else job.result.path
        _empty(job.folder, result_path)
        job.payload = None
        with self._changed:
            job.ended_at = time.monotonic()
            job.seconds = job.ended_at - started
            self._mean_s += _NEWEST * (job.seconds - self._mean_s)
            job.state = state
            if job.cancel_requested.is_set():
                job.state = "canceled"
                self._forget(job)

    def _forget(self, job: Job) -> None:
        self._jobs.pop(job.id, None)
        _remove(job)


def _remove(job: Job) -> None:
    shutil.rmtree(job.folder, ignore_errors=True)


def _empty(folder: Path, spared: Path | None) -> None:
    """Removes everything in a folder except one file."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path != spared:
            path.unlink(missing_ok=True)
