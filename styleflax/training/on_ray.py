"""Training on the workers of a Ray cluster, restarted when one of them dies."""

import contextlib
import copy
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax

from styleflax.config import Config
from styleflax.distributed import (
    StopRequest,
    import_ray,
    joined_processes,
    stop_on_signals,
)
from styleflax.memory import NotEnoughMemoryError
from styleflax.parallel import check_divides
from styleflax.training.loop import TrainingDivergedError
from styleflax.training.workdir import locked

Work = Callable[[Config, Path, StopRequest], object]
"""Trains in one of the processes; they have joined. Must be picklable."""
POLL_S = 0.5
_AGREED_S = 5.0
"""How much later than another a worker may see the same mistake."""
_MISTAKES = (
    *(ValueError, FileNotFoundError, ImportError),
    *(NotEnoughMemoryError, TrainingDivergedError),
)
"""Errors that restarted workers would raise again."""


class Board:
    """An actor for messages between the driver and the workers."""

    def __init__(self) -> None:
        self._signal = ""
        self._mistakes: list[Exception] = []
        self._starts = 0

    def ask_to_stop(self, signal: str) -> None:
        """Notes the signal that the driver got."""
        self._signal = signal

    def asked_to_stop(self) -> str:
        """The signal's name; empty until there is one."""
        return self._signal

    def note_mistake(self, mistake: Exception) -> None:
        """Keeps what ended the run in a worker and would end it again."""
        self._mistakes.append(mistake)

    def mistake(self) -> Exception | None:
        """The first, if there is one."""
        return self._mistakes[0] if self._mistakes else None

    def count_mistakes(self) -> int:
        """How many workers have been ended by one."""
        return len(self._mistakes)

    def note_start(self) -> int:
        """How often the workers have been started before."""
        self._starts += 1
        return self._starts - 1


def work_in_worker(told: dict[str, Any]) -> None:
    """What Ray Train calls in every worker, as often as it starts them."""
    import ray  # noqa: PLC0415
    from ray.train import get_context  # noqa: PLC0415
    from ray.train.collective import broadcast_from_rank_zero  # noqa: PLC0415

    board, workdir, rank = (
        told["board"],
        told["workdir"],
        get_context().get_world_rank(),
    )
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("styleflax").setLevel(logging.INFO)
    logging.getLogger("jax").setLevel(logging.WARNING)  # Ray logs more than we do
    if told["folder"].is_dir():
        os.chdir(told["folder"])
    if told["on_cpu"]:
        jax.config.update("jax_platforms", "cpu")
    address = ""
    if rank == 0:
        if ray.get(board.note_start.remote()):
            _wait_until_free(workdir, told["config"].run.connect_timeout_s)
        address = _free_address(ray.util.get_node_ip_address())
    config = copy.deepcopy(told["config"])
    config.run.coordinator = broadcast_from_rank_zero(address)
    config.run.num_processes = get_context().get_world_size()
    config.run.process_id = rank
    if ray.get(board.mistake.remote()) is not None:
        return  # one process alone had failed; the driver tells of it
    try:
        with joined_processes(config.run), _stop_when_asked(ray, board) as request:
            told["work"](config, workdir, request)
    except _MISTAKES as mistake:
        ray.get(board.note_mistake.remote(mistake))
        if not _has_ended_all(ray, board, config.run.num_processes):
            raise  # others wait for this one: Ray must end them
    finally:
        sys.stderr.flush()


@contextlib.contextmanager
def _stop_when_asked(ray: Any, board: Any) -> Iterator[StopRequest]:
    """Within the block, the request follows the driver's."""
    request, done = StopRequest(), threading.Event()

    def follow() -> None:
        while not done.wait(POLL_S):
            request.name = request.name or ray.get(board.asked_to_stop.remote())

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield request
    finally:
        done.set()
        thread.join()


def _has_ended_all(ray: Any, board: Any, num_workers: int) -> bool:
    """Whether every worker soon makes out a mistake, so that none is left waiting."""
    deadline = time.monotonic() + _AGREED_S
    while ray.get(board.count_mistakes.remote()) < num_workers:
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def _wait_until_free(workdir: Path, timeout_s: float) -> None:
    """Returns when the workers before these no longer hold the folder."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            with locked(workdir):
                return
        except ValueError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)


def _free_address(host: str) -> str:
    with socket.socket() as free:
        free.bind(("", 0))
        return f"{host}:{free.getsockname()[1]}"


DRIVER_FIELDS = ("coordinator", "num_processes", "process_id", "distributed")
"""Fields of `config.run` that Ray's workers are given by Ray."""
_ADDRESS_TIMEOUT_S = 10.0


def train_on_ray(
    config: Config,
    workdir: Path,
    work: Work,
    *,
    num_workers: int,
    address: str = "",
    max_failures: int = 3,
    gpus_per_worker: int = 1,
) -> str:
    """Runs `work` in the workers of a Ray cluster, which form one JAX runtime.

    When a worker dies, all are ended and started again, and go on from the newest
    intact checkpoint. SIGTERM or SIGINT to this process makes them save and end.

    Args:
        config: Configuration of the run; Ray fills in who is the coordinator.
        workdir: A folder that all nodes share.
        work: Called in every worker.
        num_workers: Processes, one JAX process each.
        address: Address of the cluster, `HOST:PORT` or `auto`; empty takes
            `RAY_ADDRESS`, or else starts a cluster on this machine alone.
        max_failures: Number of restarts of workers; -1 for no limit.
        gpus_per_worker: GPUs of each, if the cluster has any; 0 trains on CPUs.

    Returns:
        The name of the signal that stopped it; "" if none did.

    Raises:
        ImportError: If Ray is not installed.
        ValueError: If the arguments or the configuration are impossible.
        OSError: If there is no cluster at the address, or a file is missing.
        TrainingDivergedError: If the loss stays not finite.
        RuntimeError: If workers died more often than allowed; Ray's own error.
    """
    _check_arguments(config, num_workers, max_failures, gpus_per_worker)
    # Paths of the configuration are relative to the driver's folder.
    os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"
    ray = import_ray("train.v2.jax")
    is_local = _connect(ray, address, num_workers)
    try:
        gpus = gpus_per_worker if ray.cluster_resources().get("GPU", 0) else 0
        board = ray.remote(num_cpus=0)(Board).options(**_beside_driver(ray)).remote()
        told = {
            "config": config,
            "workdir": workdir.absolute(),
            "work": work,
            "board": board,
        }
        trainer = _make_trainer(told, num_workers, gpus, max_failures, is_local)
        failure, stopped_by = _fit(ray, trainer, board)
        mistake = ray.get(board.mistake.remote())
    finally:
        ray.shutdown()
    _raise_what_ended_it(mistake, failure, max_failures)
    return stopped_by


def _raise_what_ended_it(
    mistake: Exception | None, failure: Exception | None, max_failures: int
) -> None:
    """Raises the workers' mistake, or else Ray's failure, if there is either."""
    if mistake is not None:
        raise mistake
    if failure is not None:
        raise RuntimeError(
            f"the training on Ray failed more than {max_failures} times "
            f"(--ray.max_failures); run again to go on: {failure}"
        ) from failure


def _check_arguments(
    config: Config, num_workers: int, max_failures: int, gpus_per_worker: int
) -> None:
    least = {"num_workers": (num_workers, 1), "max_failures": (max_failures, -1)}
    least["gpus_per_worker"] = (gpus_per_worker, 0)
    for name, (value, allowed) in least.items():
        if value < allowed:
            raise ValueError(f"--ray.{name} must be at least {allowed}, got {value}")
    for name in DRIVER_FIELDS:
        if getattr(config.run, name) != getattr(type(config.run)(), name):
            raise ValueError(
                f"run.{name} is {getattr(config.run, name)!r}, but --launcher=ray "
                "joins the processes; leave it out"
            )
    for i, phase in enumerate(config.phases):
        parts = num_workers * config.optimizer.accumulate_steps
        check_divides(phase.batch_size, parts, f"phases[{i}].batch_size")


def _connect(ray: Any, address: str, num_workers: int) -> bool:
    """Joins the cluster, or starts one of this machine; whether it did the latter.

    Raises:
        OSError: If there is no answer.
    """
    address = address or os.environ.get("RAY_ADDRESS", "")
    options: dict[str, Any] = {"log_to_driver": True}
    if address in ("", "local"):
        # The requested number of workers, even with fewer cores.
        cores = max(os.cpu_count() or 1, num_workers)
        options |= {"num_cpus": cores, "include_dashboard": False}
        address = "local"
    elif address != "auto":
        _check_answers(address)
    ray.init(address=address, **options)
    return address == "local"


def _check_answers(address: str) -> None:
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError(f"--ray.address must be HOST:PORT or auto, got {address!r}")
    try:
        place = (host.strip("[]"), int(port))
        socket.create_connection(place, timeout=_ADDRESS_TIMEOUT_S).close()
    except (OSError, OverflowError) as error:
        raise ConnectionError(
            f"--ray.address: no Ray cluster answers at {address}: {error}"
        ) from error


def _beside_driver(ray: Any) -> dict[str, Any]:
    from ray.util.scheduling_strategies import (  # noqa: PLC0415
        NodeAffinitySchedulingStrategy,
    )

    node = ray.get_runtime_context().get_node_id()
    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=True)}


def _make_trainer(
    told: dict[str, Any], num_workers: int, gpus: int, max_failures: int, is_local: bool
) -> Any:
    from ray.train.v2.api.config import (  # noqa: PLC0415
        FailureConfig,
        RunConfig,
        ScalingConfig,
    )
    from ray.train.v2.jax import JaxConfig, JaxTrainer  # noqa: PLC0415

    class QuietTrainer(JaxTrainer):
        """Without the actor that cleans up when the controller dies.

        It asks Ray's dashboard every second, and complains if there is none.
        """

        def _create_default_callbacks(self) -> list[Any]:
            return [
                callback
                for callback in super()._create_default_callbacks()
                if type(callback).__name__ != "PlacementGroupCleanerCallback"
            ]

    resources: dict[str, int] = {"CPU": 1} | ({"GPU": gpus} if gpus else {})
    # A cluster of this machine alone has no dashboard, and ends with the driver.
    trainer = QuietTrainer if is_local else JaxTrainer
    return trainer(
        work_in_worker,
        train_loop_config=told | {"folder": Path.cwd(), "on_cpu": not gpus},
        # The workers join by themselves: Ray would wait 100 s for a silent one,
        # and let JAX take SIGTERM away.
        jax_config=JaxConfig(use_tpu=False, use_gpu=False),
        scaling_config=ScalingConfig(
            num_workers=num_workers, use_gpu=gpus > 0, resources_per_worker=resources
        ),
        run_config=RunConfig(
            name="ray",
            storage_path=str(told["workdir"]),
            failure_config=FailureConfig(
                max_failures=max_failures, controller_failure_limit=0
            ),
        ),
    )


def _fit(ray: Any, trainer: Any, board: Any) -> tuple[Exception | None, str]:
    """Waits for the end, passing signals on.

    Returns:
        What Ray ended with, if not well, and the name of the signal, if one came.
    """
    from ray.train import TrainingFailedError  # noqa: PLC0415

    failures: list[Exception] = []

    def fit() -> None:
        try:
            trainer.fit()
        except Exception as error:  # raised by the thread that waits
            failures.append(error)

    # A thread, because Ray would answer SIGINT by aborting the workers.
    thread = threading.Thread(target=fit, daemon=True)
    with stop_on_signals() as request:
        thread.start()
        told = False
        while thread.is_alive():
            thread.join(POLL_S)
            if request.name and not told:
                ray.get(board.ask_to_stop.remote(request.name))
                told = True
    for failure in failures:
        if not isinstance(failure, TrainingFailedError):
            raise failure
    return (failures[0] if failures else None), request.name
