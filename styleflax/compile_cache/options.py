"""Options of XLA's compiler, by the version of jaxlib.

By flags in the environment, which XLA reads once, as JAX starts its first device:
nothing here imports JAX. JAX takes options of a single program only where its function
is not called within another compiled one, so that a user could not differentiate or map
what has them.
"""

import logging
import os
import re
import sys

logger = logging.getLogger(__name__)

SWITCH = "STYLEFLAX_COMPILER_OPTIONS"
"""Environment variable; "off" leaves the compiler as jaxlib sets it."""
VARIABLE = "XLA_FLAGS"
DETERMINISTIC = "--xla_gpu_deterministic_ops=true"
"""Reproducible GPU kernels; includes --xla_gpu_exclude_nondeterministic_ops."""
YNN_FUSIONS = "--xla_cpu_experimental_ynn_fusion_type"
"""Which operations XLA on CPU hands to YNNPACK, by names; none for an empty value."""

_YNN_VERSIONS = frozenset({(0, 10), (0, 11), (0, 12)})
"""Versions of jaxlib that are told to hand over nothing; all of these know the flag,
which was tried, since an unknown one aborts the process. YNNPACK's convolutions make
programs slower: stylizing 4 to 5.6 times in 0.10.2, AdaIN's training step 1.3 times in
0.12.0. Its matrix products take as long as XLA's own. Its sums save at most 2 % of a
step, as `ops.statistics` adds in blocks, and take the convolutions that they add up
along; in 0.10.2 they are wrong (jax-ml/jax #39103), and 0.10.2 and 0.11.0 crash
(#39257)."""

_OFF = frozenset({"0", "off", "false", "no"})


class _Told:
    """What this process added to the flags."""

    flags: tuple[str, ...] = ()


def tell_compiler() -> None:
    """Adds the installed jaxlib's flags to those that XLA will read.

    What the user has set stays. Where JAX runs on the CPU already, it is too late, and
    a warning says so.
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
    """The options of XLA and where they are set, as rows of a table."""
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

    The variable may also name a file of flags, which is then the user's affair.
    """
    flags = os.environ.get(VARIABLE, "").split()
    if flags and not flags[0].startswith("-"):
        return False
    return name not in {flag.partition("=")[0] for flag in flags}


def _has_started() -> bool:
    """Whether JAX has devices already, so that XLA has read its flags."""
    bridge = sys.modules.get("jax._src.xla_bridge")
    return bool(getattr(bridge, "backends_are_initialized", bool)())
