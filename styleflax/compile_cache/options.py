"""Options of XLA's compiler, by the version of jaxlib.

Options are flags in the environment, which XLA reads once, when JAX starts its first
device; this module therefore does not import JAX. JAX accepts options for a single
program only if its function is not called within another compiled one, so functions
with such options could not be differentiated or mapped.
"""

import logging
import os
import re
import sys

logger = logging.getLogger(__name__)

SWITCH = "STYLEFLAX_COMPILER_OPTIONS"
"""Environment variable; "off" leaves the compiler options of jaxlib unchanged."""
VARIABLE = "XLA_FLAGS"
DETERMINISTIC = "--xla_gpu_deterministic_ops=true"
"""Reproducible GPU kernels; includes --xla_gpu_exclude_nondeterministic_ops."""
YNN_FUSIONS = "--xla_cpu_experimental_ynn_fusion_type"
"""Names of the operations that XLA delegates to YNNPACK on CPU; empty for none."""

_YNN_VERSIONS = frozenset({(0, 10), (0, 11), (0, 12)})
"""Versions of jaxlib for which this delegation is disabled. All of them know the flag
(tested), since an unknown flag aborts the process. YNNPACK's convolutions make programs
slower: stylizing 4 to 5.6 times in 0.10.2, AdaIN's training step 1.3 times in 0.12.0.
Its matrix products are as fast as XLA's own. Its sums save at most 2 % of a step, since
`ops.statistics` adds in blocks, and bring its convolutions with them; in 0.10.2 they
are wrong (jax-ml/jax #39103), and 0.10.2 and 0.11.0 crash (#39257)."""

_OFF = frozenset({"0", "off", "false", "no"})


class _Told:
    """What this process added to the flags."""

    flags: tuple[str, ...] = ()


def set_compiler_options() -> None:
    """Adds the flags for the installed jaxlib to those that XLA will read.

    Flags that the user has set are unchanged. If JAX has already started on the CPU, a
    warning says that it is too late.
    """
    flags = choose_flags()
    if _has_started():
        if flags and sys.modules["jax"].default_backend() == "cpu":
            logger.warning(
                "JAX had started before styleflax was imported, so its programs are "
                "compiled without %s; import styleflax first",
                " ".join(flags),
            )
        return
    _Told.flags = tuple(flag for flag in flags if add_flag(flag))


def choose_flags() -> list[str]:
    """The flags for the installed jaxlib that the user has not set."""
    if os.environ.get(SWITCH, "").strip().lower() in _OFF:
        return []
    release = re.match(r"(\d+)\.(\d+)\.", jaxlib_version())
    version = (int(release[1]), int(release[2])) if release else None
    if version not in _YNN_VERSIONS or not _is_free(YNN_FUSIONS):
        return []
    return [f"{YNN_FUSIONS}="]


def add_flag(flag: str) -> bool:
    """Adds one flag, unless the user has set it; returns whether it was added.

    Args:
        flag: With two dashes and its value.
    """
    if not _is_free(flag.partition("=")[0]):
        return False
    flags = os.environ.get(VARIABLE, "")
    os.environ[VARIABLE] = f"{flags} {flag}".strip()
    return True


def describe_options() -> list[tuple[str, str]]:
    """Returns the options of XLA and where they are set, as rows of a table."""
    told = " ".join(_Told.flags) or "nothing"
    by_user = [f for f in os.environ.get(VARIABLE, "").split() if f not in _Told.flags]
    return [
        ("compiler options", f"{told}, for jaxlib {jaxlib_version()}"),
        (f"compiler options in {VARIABLE}", " ".join(by_user) or "nothing"),
    ]


def jaxlib_version() -> str:
    """The installed version; empty if there is none."""
    from importlib import metadata  # noqa: PLC0415  (slow, and JAX imports it anyway)

    try:
        return metadata.version("jaxlib")
    except metadata.PackageNotFoundError:
        return ""


def _is_free(name: str) -> bool:
    """Whether a flag may be added: the user has not set it.

    The variable may also name a file of flags, which is left unchanged.
    """
    flags = os.environ.get(VARIABLE, "").split()
    if flags and not flags[0].startswith("-"):
        return False
    return name not in {flag.partition("=")[0] for flag in flags}


def _has_started() -> bool:
    """Whether JAX has devices already, so that XLA has read its flags."""
    bridge = sys.modules.get("jax._src.xla_bridge")
    return bool(getattr(bridge, "backends_are_initialized", bool)())
