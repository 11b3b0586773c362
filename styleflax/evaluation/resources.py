"""How much memory the process takes while something runs."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax

_MB = 1e6
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Peak:
    """The highest memory so far, once the block of `peak_memory` has ended.

    Attributes:
        megabytes: 10^6 bytes; None where the system does not tell.
    """

    megabytes: float | None = None


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """Within the block, watches the peak of what the process keeps in memory.

    On an accelerator it is the first device's memory, since the process began. On
    CPU it is the resident memory of the whole process: on Linux the highest within
    the block, elsewhere since the process began.
    """
    peak = Peak()
    _forget_peak()
    yield peak
    statistics = jax.local_devices()[0].memory_stats() or {}
    used = statistics.get("peak_bytes_in_use")
    peak.megabytes = _resident_mb() if used is None else used / _MB


def _forget_peak() -> None:
    try:
        _CLEAR.write_text("5", "ascii")  # see proc_pid_clear_refs(5)
    except OSError:
        return


def _resident_mb() -> float | None:
    try:
        lines = _STATUS.read_text("ascii").splitlines()
        return next(
            int(line.split()[1]) * 1024 / _MB for line in lines if "VmHWM" in line
        )
    except (OSError, StopIteration, ValueError):
        pass
    try:
        import resource  # noqa: PLC0415  (Windows has none)
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / _MB if sys.platform == "darwin" else peak * 1024 / _MB
