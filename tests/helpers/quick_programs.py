"""How XLA compiles the tests' programs, most of which run once or twice."""

from importlib.metadata import version
from pathlib import Path


def quick_flags(num_devices):
    """Value of XLA_FLAGS; to be set before JAX starts.

    Compiling well takes longer here than it saves: without LLVM's expensive passes the
    tests take 40 % less. The older emitters of jaxlib 0.10 take a third of the time of
    its newer ones; later versions have only these, and abort at a flag of the others.

    Args:
        num_devices: Virtual CPU devices.
    """
    flags = [
        f"--xla_force_host_platform_device_count={num_devices}",
        "--xla_backend_optimization_level=0",
        "--xla_llvm_disable_expensive_passes=true",
    ]
    if version("jaxlib").startswith("0.10."):
        flags.append("--xla_cpu_use_fusion_emitters=false")
    return " ".join(flags)


def has_avx512() -> bool:
    """Whether XLA adds here in the order of the processor that wrote the anchors."""
    cpu = Path("/proc/cpuinfo")
    return cpu.exists() and "avx512f" in cpu.read_text("utf-8").split()
