"""How processes that train together are started; where their coordinator is."""

import socket
from pathlib import Path

CHILD = Path(__file__).parents[1] / "helpers" / "joined_run.py"
FLAGS = (
    "--config.run.num_devices=0",
    "--config.run.connect_timeout_s=60",
    "--config.run.heartbeat_timeout_s=5",
)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def by_flags(port, i):
    address = f"--coordinator=127.0.0.1:{port}"
    return (address, "--num_processes=2", f"--process_id={i}"), {}


def by_slurm(port, i):
    return ("--config.run.distributed=auto",), {
        "JAX_COORDINATOR_PORT": str(port),
        "SLURM_JOB_ID": "1",
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_NTASKS": "2",
        "SLURM_PROCID": str(i),
        "SLURM_LOCALID": str(i),
    }


def by_open_mpi(port, i):
    return ("--config.run.distributed=auto",), {
        "JAX_COORDINATOR_PORT": str(port),
        "OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://127.0.0.1:34911",
        "OMPI_COMM_WORLD_SIZE": "2",
        "OMPI_COMM_WORLD_RANK": str(i),
        "OMPI_COMM_WORLD_LOCAL_RANK": str(i),
    }


def codes(ended):
    """Exit codes; shows what processes said if a test fails."""
    for _, _, error in ended:
        print(error)
    return [code for code, _, _ in ended]
