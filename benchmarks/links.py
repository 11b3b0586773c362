"""What an all-reduce moves, and how long published links would take for it.

Nothing here is measured. Speeds are one way, per device, as read on these pages
(NVLink's and ICI's are printed for both directions together and halved here):

- NVLink 4: 900 GB/s per H200, mlcommons/inference_results_v4.1 on GitHub,
  closed/NVIDIA/systems/H200-SXM-141GBx8_TRT_MaxQ.json; in NVIDIA/nccl issue 1264
  users measured 380 of the 450 GB/s one way between two H100.
- InfiniBand: one 400 Gb/s port of a ConnectX-7 for every GPU,
  docs.nvidia.com/networking/display/mms4x00ns400/overview (the port) and the
  MLPerf file above (ten such ports for eight GPUs).
- TPU v5e: 400 GB/s of interconnect and 197 TFLOP/s in bfloat16 per chip, 256 chips
  in a pod, 6.4 Tb/s of data center network per pod,
  docs.cloud.google.com/tpu/docs/v5e.
"""

import math
import re
from typing import NamedTuple

TYPE_BYTES = {"f32": 4, "bf16": 2, "f16": 2, "s32": 4, "u32": 4, "pred": 1}


class Machine(NamedTuple):
    """Devices and the links between them.

    Attributes:
        name: As in tables.
        peak: Published bfloat16 FLOP/s of a device, without sparsity.
        island: Devices that the fast link joins.
        fast: Its bytes/s one way.
        slow: Bytes/s one way that a device has of the network between islands.
    """

    name: str
    peak: float
    island: int
    fast: float
    slow: float


# 989 TFLOP/s as in third parties' tables, among them huggingface.co/datasets/
# devidasmishra/ai-inference-hardware-economics-2026; NVIDIA's own was not read.
MACHINES = (
    Machine("H200, NVLink, InfiniBand", 989e12, 8, 450e9, 50e9),
    Machine("TPU v5e, ICI", 197e12, 256, 200e9, 6.4e12 / 8 / 256),
)


def all_reduce_bytes(hlo: str) -> int:
    """Bytes of the results of all all-reduces in a compiled program's text."""
    total = 0
    for line in hlo.splitlines():
        found = re.search(r" = (.*?) all-reduce(?:-start)?\(", line)
        for kind, sides in re.findall(r"(\w+)\[([\d,]*)\]", found[1] if found else ""):
            total += TYPE_BYTES[kind] * math.prod(int(x) for x in sides.split(",") if x)
    return total


def ring_seconds(size: float, devices: int, speed: float) -> float:
    """A ring all-reduce: every device sends 2 (n - 1) / n of the bytes."""
    return 2 * (devices - 1) / devices * size / speed


def all_reduce_seconds(size: float, devices: int, machine: Machine) -> float:
    """Summed in every island, then each device's share of it between islands."""
    inside = min(devices, machine.island)
    between = max(devices // machine.island, 1)
    fast = ring_seconds(size, inside, machine.fast)
    return fast + ring_seconds(size / inside, between, machine.slow)


def efficiency(flop: float, size: float, devices: int, machine: Machine, share: float):
    """Share of the step spent computing, if nothing overlaps and latency is 0.

    Args:
        flop: Operations of a step on one device.
        size: Bytes all-reduced in a step.
        devices: How many.
        machine: Which.
        share: Share of the peak that is reached; the higher, the worse for the links.
    """
    compute = flop / (share * machine.peak)
    return compute / (compute + all_reduce_seconds(size, devices, machine))
