"""Processes that work together: hosts, consensus and signals."""

from typing import TYPE_CHECKING

from styleflax.lazy import lazy_names

if TYPE_CHECKING:
    from styleflax.distributed.hosts import (
        broadcast,
        check_same,
        is_first,
        joined_processes,
        on_all,
        on_first,
        wait_for_all,
    )
    from styleflax.distributed.signals import Stop, StopRequest, stop_on_signals

__all__ = [
    "Stop",
    "StopRequest",
    "broadcast",
    "check_same",
    "is_first",
    "joined_processes",
    "on_all",
    "on_first",
    "stop_on_signals",
    "wait_for_all",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Stop": "signals",
        "StopRequest": "signals",
        "broadcast": "hosts",
        "check_same": "hosts",
        "is_first": "hosts",
        "joined_processes": "hosts",
        "on_all": "hosts",
        "on_first": "hosts",
        "stop_on_signals": "signals",
        "wait_for_all": "hosts",
    },
)
