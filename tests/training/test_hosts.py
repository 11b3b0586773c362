import jax
import pytest

from styleflax import distributed as agreement
from styleflax.cli.train import parse_arguments
from styleflax.config import Run
from styleflax.distributed import (
    broadcast,
    check_same,
    exchange,
    joined_processes,
    on_all,
    on_first,
    wait_for_all,
)

LONE = "coordinator_address should be defined."


@pytest.fixture
def initialize(monkeypatch):
    """Calls of jax.distributed.initialize, which raises what stands in the list."""
    calls, errors = [], []

    def initialize(**arguments):
        calls.append(arguments)
        if errors:
            raise errors.pop()

    monkeypatch.setattr(jax.distributed, "initialize", initialize)
    monkeypatch.setattr(jax.distributed, "shutdown", lambda: calls.append("shutdown"))
    return calls, errors


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"num_processes": 2}, "need --coordinator=HOST:PORT"),
        ({"process_id": 0}, "need --coordinator=HOST:PORT"),
        ({"coordinator": "here"}, "--coordinator must be HOST:PORT, got 'here'"),
        ({"coordinator": "a:port"}, "--coordinator must be HOST:PORT"),
        ({"coordinator": "a:1"}, "--coordinator needs --num_processes"),
        ({"coordinator": "a:1", "num_processes": 2}, "from 0 to 1, got -1"),
        (
            {"coordinator": "a:1", "num_processes": 2, "process_id": 2},
            "--process_id must be from 0 to 1, got 2",
        ),
    ],
)
def test_flags_that_do_not_fit_together_are_refused(fields, line, initialize):
    with pytest.raises(ValueError, match=line), joined_processes(Run(**fields)):
        pass
    assert not initialize[0]


def test_a_process_of_its_own_initializes_nothing(initialize):
    with joined_processes(Run()):
        pass
    assert not initialize[0]


def test_flags_and_times_are_handed_on(initialize):
    run = Run(coordinator="[::1]:5", num_processes=2, process_id=1)
    with joined_processes(run):
        pass
    arguments, last = initialize[0]
    assert last == "shutdown"
    assert arguments["coordinator_address"] == "[::1]:5"
    assert (arguments["num_processes"], arguments["process_id"]) == (2, 1)
    assert arguments["heartbeat_timeout_seconds"] == 15
    assert arguments["initialization_timeout"] > 300


def test_auto_does_nothing_where_there_is_no_launcher(initialize, monkeypatch):
    monkeypatch.delenv("OMPI_COMM_WORLD_SIZE", raising=False)
    calls, errors = initialize
    errors.append(ValueError(LONE))
    with joined_processes(Run(distributed="auto")):
        pass
    assert "shutdown" not in calls


def test_auto_refuses_a_launcher_that_tells_too_little(initialize, monkeypatch):
    # Open MPI 5 sets no OMPI_MCA_orte_hnp_uri, and JAX takes its processes for lone.
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    initialize[1].append(ValueError(LONE))
    run = Run(distributed="auto")
    with pytest.raises(ValueError, match="give --coordinator"), joined_processes(run):
        pass


@pytest.mark.parametrize(
    ("error", "kind"),
    [(RuntimeError("port taken"), OSError), (ValueError("odd"), ValueError)],
)
def test_what_jax_refuses_is_a_users_mistake(error, kind, initialize):
    initialize[1].append(error)
    run = Run(coordinator="a:1", num_processes=1, process_id=0)
    with pytest.raises(kind, match=str(error)), joined_processes(run):
        pass


def test_a_process_alone_agrees_with_itself():
    tree = {"a": 1}
    assert exchange("text") == ["text"]
    assert on_all(lambda: 3) == 3
    assert on_first(lambda: 4) == 4
    assert broadcast(tree) is tree
    check_same("seeds", 3)
    wait_for_all("the end")


def test_what_differs_between_processes_is_told(monkeypatch):
    monkeypatch.setattr(agreement, "exchange", lambda text: [text, text, "4"])
    with pytest.raises(
        ValueError, match="seeds differ: 3 in process 0, 4 in process 2"
    ):
        check_same("seeds", 3)


@pytest.mark.parametrize(
    "flags",
    [
        ["--coordinator=a:1", "--num_processes=2", "--process_id=1"],
        ["--coordinator", "a:1", "-num_processes", "2", "--process_id", "1"],
    ],
)
def test_flags_of_their_own_stand_for_fields_of_the_run(flags):
    config, _ = parse_arguments(["--config=smoke", "--workdir=x", *flags])
    run = config.run
    assert (run.coordinator, run.num_processes, run.process_id) == ("a:1", 2, 1)
