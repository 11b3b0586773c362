"""The queue: its places, canceling, and files that go."""

import threading

import pytest

from styleflax.web.jobs import Jobs, Result
from styleflax.web.limits import Limits, RefusedError


class Bench:
    """A queue whose worker goes on when it is told to."""

    def __init__(self, folder, num_workers=1, **limits):
        self.began, self.go_on = threading.Semaphore(0), threading.Semaphore(0)
        self.folder, self.failure = folder, None
        workers = [self.work] * num_workers
        self.jobs = Jobs(folder, workers, self.describe, Limits(**limits))

    def describe(self, _, error):
        return f"told: {error}"

    def work(self, job):
        job.at("stylizing", 1, 2)
        self.began.release()
        self.go_on.acquire()
        job.at("writing")
        if self.failure is not None:
            raise self.failure
        (job.folder / "made.png").write_bytes(b"made")
        return Result(job.folder / "made.png", "image/png", 1, 1)

    def submit(self):
        with self.jobs.place() as job:
            (job.folder / "content").write_bytes(b"photo")
            self.jobs.submit(job, "payload")
        return job

    def ended(self, job):
        """Waits for the worker to be done with a job, which is looked at next."""
        with self.jobs._changed:
            pass
        while job.state in {"queued", "running"}:
            threading.Event().wait(0.005)
        return job.state


@pytest.fixture
def bench(tmp_path):
    made = []

    def make(**ways):
        made.append(Bench(tmp_path, **ways))
        return made[-1]

    yield make
    for one in made:
        one.go_on.release(100)
        assert one.jobs.close()


def test_inputs_go_when_a_job_is_done_and_the_result_when_it_is_stopped(bench):
    queue = bench()
    job = queue.submit()
    queue.began.acquire()
    assert (job.state, job.phase, job.done, job.total) == ("running", "stylizing", 1, 2)
    queue.go_on.release()
    assert queue.ended(job) == "done"
    assert [path.name for path in job.folder.iterdir()] == ["made.png"]
    queue.jobs.stop(job)
    assert not job.folder.exists()
    with pytest.raises(RefusedError, match="no such job"):
        queue.jobs.find(job.id)


def test_a_full_queue_refuses_with_the_time_to_try_again(bench):
    queue = bench(queue=2)
    queue.submit()
    queue.began.acquire()  # it runs, and has no place in the queue any more
    waiting = [queue.submit(), queue.submit()]
    assert [queue.jobs.num_ahead(job) for job in waiting] == [0, 1]
    with (
        pytest.raises(RefusedError, match="queue is full") as found,
        queue.jobs.place(),
    ):
        pass
    assert found.value.status == 503
    assert int(found.value.headers["Retry-After"]) >= 1
    queue.jobs.stop(waiting[0])
    assert waiting[0].state == "canceled"
    assert not waiting[0].folder.exists()
    queue.submit()


def test_an_upload_has_a_place_until_it_breaks_off(bench):
    queue = bench(queue=1)
    with queue.jobs.place() as job:
        assert job.folder.exists()
        with pytest.raises(RefusedError, match="full"), queue.jobs.place():
            pass
    assert not job.folder.exists()
    queue.submit()


def test_a_running_job_is_canceled_at_its_next_step(bench):
    queue = bench()
    job = queue.submit()
    queue.began.acquire()
    queue.jobs.stop(job)
    assert job.state == "running"
    queue.go_on.release()
    assert queue.ended(job) == "canceled"
    following = queue.submit()
    queue.go_on.release()
    assert queue.ended(following) == "done"
    assert not job.folder.exists()


def test_a_failure_is_described_and_the_next_job_is_done(bench):
    queue = bench()
    queue.failure = MemoryError("too large")
    job = queue.submit()
    queue.go_on.release()
    assert queue.ended(job) == "failed"
    assert job.error == "told: too large"
    queue.failure = None
    following = queue.submit()
    queue.go_on.release()
    assert queue.ended(following) == "done"


def test_several_workers_work_at_once(bench):
    queue = bench(num_workers=2)
    jobs = [queue.submit(), queue.submit()]
    queue.began.acquire()
    queue.began.acquire()
    assert {job.state for job in jobs} == {"running"}


@pytest.mark.parametrize("limits", [{"retain_s": 0.0}, {"retained_jobs": 0}])
def test_old_results_and_the_oldest_of_many_are_forgotten(bench, limits):
    queue = bench(**limits)
    job = queue.submit()
    queue.go_on.release()
    queue.ended(job)
    queue.jobs.forget_old()
    assert not job.folder.exists()
    with pytest.raises(RefusedError, match="no such job"):
        queue.jobs.find(job.id)


def test_closing_ends_what_runs_and_what_waits(bench):
    queue = bench()
    running, waiting = queue.submit(), queue.submit()
    queue.began.acquire()
    assert not queue.jobs.close(patience_s=0.0)
    queue.go_on.release()
    assert queue.jobs.close()
    assert queue.ended(running) == "canceled"
    assert waiting.state == "queued"  # and will never run
