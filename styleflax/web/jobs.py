"""The queue of jobs: one worker for each device, progress, canceling, forgetting."""

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
"""Seconds that a job takes, as long as none has been timed."""
_NEWEST = 0.3
"""Weight of the last job in the average of their seconds."""


class CanceledError(Exception):
    """Raised inside of a job that is to end."""


class Result(NamedTuple):
    """The file that a job made.

    Attributes:
        path: In the folder of the job.
        media_type: As "image/png".
        width: In px.
        height: In px.
        num_frames: Num frames of a video; None of a picture.
    """

    path: Path
    media_type: str
    width: int
    height: int
    num_frames: int | None = None


@dataclasses.dataclass
class Job:
    """One job; its worker writes to it, and whoever asks reads it.

    Attributes:
        id: Random, so that only who has sent the job can ask for it.
        folder: With everything that was uploaded or made; removed with the job.
        payload: What the worker is to do.
        state: Where it is.
        phase: What a running job is doing.
        done: Steps of that phase that are done.
        total: Steps of that phase; None if unknown.
        error: Why it failed, in one line.
        notes: What could not be done as asked.
        result: What was made.
        seconds: That it ran.
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
    asked_to_stop: threading.Event = dataclasses.field(default_factory=threading.Event)

    def at(self, phase: Phase, done: int = 0, total: int | None = None) -> None:
        """Takes note of progress.

        Raises:
            CanceledError: The job is to end.
        """
        if self.asked_to_stop.is_set():
            raise CanceledError
        self.phase, self.done, self.total = phase, done, total

    def note(self, text: str) -> None:
        """Takes note of what could not be done as asked."""
        self.notes.append(" ".join(text.split()))


class Jobs:
    """All jobs of the app, and the workers that do them.

    Args:
        folder: Below which every job has a folder of its own.
        workers: What does a job, one for each device; a worker has a thread of its own,
            does one job after the other and returns its result.
        describe: The one line for what a worker raises.
        limits: On their number.
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
            # Daemons, as a program on a device cannot be interrupted at exit.
            threading.Thread(target=self._work, args=(worker,), daemon=True)
            for worker in workers
        ]
        for thread in self._threads:
            thread.start()

    @contextlib.contextmanager
    def place(self) -> Iterator[Job]:
        """A place in the queue for the block, with a folder to upload to.

        The job waits from `submit` on; one that has not been submitted at the end of
        the block is removed with its folder.

        Raises:
            RefusedError: The queue is full; says when to try again.
        """
        with self._changed:
            if self._num_reserved + len(self._waiting) >= self._limits.queue:
                raise refuse_full(
                    f"the queue is full ({self._limits.queue} jobs wait)",
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
        """Puts a job that has a place into the queue."""
        job.payload = payload
        with self._changed:
            self._jobs[job.id] = job
            self._waiting.append(job)
            self._changed.notify()

    def find(self, job_id: str) -> Job:
        """Returns a job.

        Raises:
            RefusedError: There is none, or it has been forgotten.
        """
        job = self._jobs.get(job_id)
        if job is None:
            raise RefusedError(
                404,
                "there is no such job; results are kept for "
                f"{self._limits.keep_s / 60:g} minutes",
            )
        return job

    def num_ahead(self, job: Job) -> int:
        """Returns how many jobs are done before this one begins."""
        with self._changed:
            return self._waiting.index(job) if job in self._waiting else 0

    def stop(self, job: Job) -> None:
        """Ends a job, wherever it is, and forgets it once it has ended."""
        with self._changed:
            job.asked_to_stop.set()
            if job in self._waiting:
                self._waiting.remove(job)
                job.state, job.ended_at = "canceled", time.monotonic()
            if job.state in _ENDED:
                self._forget(job)

    def forget_old(self) -> None:
        """Removes jobs that ended long ago, and the oldest of too many."""
        with self._changed:
            ended = [job for job in self._jobs.values() if job.state in _ENDED]
            ended.sort(key=lambda job: job.ended_at)
            surplus = max(0, len(ended) - self._limits.kept_jobs)
            past = time.monotonic() - self._limits.keep_s
            for place, job in enumerate(ended):
                if place < surplus or job.ended_at < past:
                    self._forget(job)

    def close(self, patience_s: float = 5.0) -> bool:
        """Ends all jobs; returns whether all workers have ended in time.

        Args:
            patience_s: Seconds to wait for the workers.
        """
        with self._changed:
            self._is_closed = True
            for job in [*self._jobs.values()]:
                job.asked_to_stop.set()
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
        except Exception as error:  # a fault of one job must not end the others
            job.error = self._describe(job, error)
            logger.debug("job failed", exc_info=error)
        kept = None if job.result is None else job.result.path
        _empty(job.folder, kept)
        job.payload = None
        with self._changed:
            job.ended_at = time.monotonic()
            job.seconds = job.ended_at - started
            self._mean_s += _NEWEST * (job.seconds - self._mean_s)
            job.state = state
            if job.asked_to_stop.is_set():
                job.state = "canceled"
                self._forget(job)

    def _forget(self, job: Job) -> None:
        self._jobs.pop(job.id, None)
        _remove(job)


def _remove(job: Job) -> None:
    shutil.rmtree(job.folder, ignore_errors=True)


def _empty(folder: Path, kept: Path | None) -> None:
    """Removes everything in a folder but one file."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path != kept:
            path.unlink(missing_ok=True)
