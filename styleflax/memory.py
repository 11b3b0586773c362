"""Free memory and forked processes: errors in words before a process hangs or ends.

JAX's threads are not in the child of a fork, but the locks that they held are. So the
first use there is refused in words, in place of waiting for ever.

On CPU a program that does not fit ends the process: the kernel kills it. So its need is
compared with what is free before it runs. Other devices refuse by an error of their
own. Either way callers raise `NotEnoughMemoryError`, which says what was being done,
its size, and what to do.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


class ForkedProcessError(RuntimeError):
    """JAX was to be used in a process whose parent had used it before the fork."""


class _State:
    was_forked = False


def refuse_fork() -> None:
    """Refuses to go on in a process that was forked after the first use of JAX.

    Raises:
        ForkedProcessError: If this is one; says what to do.
    """
    if _State.was_forked:
        raise ForkedProcessError(
            "this process was forked from one that had used JAX before, and JAX would "
            "never answer here: start workers by multiprocessing.get_context('spawn') "
            "(of a server, load the model in each worker and not before they are "
            "forked), or stylize in one process"
        )


def _note_fork() -> None:
    bridge = sys.modules.get("jax._src.xla_bridge")
    # Without devices there are no threads: JAX was imported, and not used.
    used = getattr(bridge, "backends_are_initialized", lambda: bridge is not None)
    _State.was_forked = _State.was_forked or bool(used())


if hasattr(os, "register_at_fork"):  # Windows has none
    os.register_at_fork(after_in_child=_note_fork)


PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")
SMALL_BYTES = 64 * 2**20
"""Needs below this are not compared with what is free, which takes a while to find."""
_RESERVE = 1.1
"""Programs of networks took up to 8 % more than XLA says, on CPU with 2 threads."""
_MARKS = re.compile(r"RESOURCE_EXHAUSTED|out of memory|OUT_OF_MEMORY", re.IGNORECASE)


class NotEnoughMemoryError(MemoryError):
    """Work that does not fit into memory; the message is one line.

    Args:
        doing: What was being done, with its size.
        lack: How much it needs, as far as that is known.
        advice: What to do.
    """

    def __init__(self, doing: str, lack: str, advice: str) -> None:
        super().__init__(f"{doing} {lack}: {advice}")
        self.doing, self.lack, self.advice = doing, lack, advice

    def __reduce__(self) -> Any:  # or processes could not hand it on
        return NotEnoughMemoryError, (self.doing, self.lack, self.advice)


class _TooLargeError(MemoryError):
    """A need that is larger than what is free; `explain_memory_errors` says of what."""


def available_bytes(proc: Path = PROC, cgroups: Path = CGROUPS) -> int | None:
    """Returns the memory that this process may still take; None if unknown.

    The least of what the machine has free, what the process's control groups
    (containers, batch systems) leave, and what RLIMIT_AS leaves. Swap does not count.

    Args:
        proc: The file system of processes, for tests.
        cgroups: That of control groups, for tests.
    """
    limits = [_machine_bytes(proc), _address_bytes(proc), *_cgroup_bytes(proc, cgroups)]
    known = [limit for limit in limits if limit is not None]
    return max(0, min(known)) if known else None


def check_fits(need_bytes: float) -> None:
    """Refuses work that needs more memory than is free.

    Args:
        need_bytes: Memory in bytes of the work.

    Raises:
        MemoryError: If it does not fit; see `explain_memory_errors`.
    """
    if need_bytes < SMALL_BYTES:
        return
    free = available_bytes()
    if free is not None and need_bytes > free:
        raise _TooLargeError(
            f"needs about {in_bytes(need_bytes)} of memory, and {in_bytes(free)} "
            "are free"
        )


def guard_program(program: Any) -> Callable[..., Any]:
    """Returns a compiled program that, on CPU, is refused if it does not fit.

    Args:
        program: What `jax.stages.Lowered.compile` returned, or a program like it.
    """
    import jax  # noqa: PLC0415  (pictures are read without it)

    if jax.default_backend() != "cpu":
        return program
    need = program_bytes(program)

    def run(*arguments: Any) -> Any:
        check_fits(need)
        return program(*arguments)

    return run


def guard_jit(function: Any) -> Callable[..., Any]:
    """Returns a jitted or mapped function that, on CPU, is refused if it does not fit.

    It compiles once for each kind of arguments, as the function itself does. With
    several processes nothing is refused: one alone must not leave the others waiting,
    and a mapped function's own program is not one of the arguments of this process.

    Args:
        function: What `jax.jit` or `jax.pmap` returned, without static arguments.
    """
    import jax  # noqa: PLC0415

    programs: dict[Any, Callable[..., Any]] = {}

    def kind(leaf: Any) -> Any:
        typed = jax.typeof(leaf)
        return typed.shape, typed.dtype, typed.weak_type

    def run(*arguments: Any) -> Any:
        refuse_fork()
        leaves, tree = jax.tree.flatten(arguments)
        is_guarded = jax.default_backend() == "cpu" and jax.process_count() == 1
        if not is_guarded or any(isinstance(x, jax.core.Tracer) for x in leaves):
            return function(*arguments)
        key = tree, tuple(map(kind, leaves))
        if key not in programs:
            programs[key] = guard_program(function.lower(*arguments).compile())
        return programs[key](*arguments)

    return run


def program_bytes(program: Any) -> float:
    """Returns the bytes that a program needs beyond its arguments; 0 if unknown."""
    try:
        found = program.memory_analysis()
        return float(_RESERVE * found.temp_size_in_bytes + found.output_size_in_bytes)
    except (AttributeError, NotImplementedError, RuntimeError):
        return 0.0


def is_out_of_memory(error: BaseException) -> bool:
    """Returns whether an error says that memory did not suffice, on any device."""
    if isinstance(error, MemoryError):
        return True
    # XlaRuntimeError of older, JaxRuntimeError of newer versions of JAX.
    return isinstance(error, RuntimeError) and bool(_MARKS.search(str(error)))


@contextmanager
def explain_memory_errors(
    doing: str, advice: str, instead_of: str = ""
) -> Iterator[None]:
    """Within the block, a lack of memory becomes a `NotEnoughMemoryError`.

    Args:
        doing: What is being done, with its size, as "stylizing 640 x 480 px".
        advice: What to do, as "use a smaller --size".
        instead_of: A flag; an error raised inside that names it, which this command
            does not have, gets this advice in place of its own.

    Raises:
        NotEnoughMemoryError: If memory does not suffice.
    """
    try:
        yield
    except NotEnoughMemoryError as error:
        if not instead_of or instead_of not in error.advice:
            raise
        raise NotEnoughMemoryError(error.doing, error.lack, advice) from error
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise NotEnoughMemoryError(doing, _lack(error), advice) from error


def describe_lack(error: BaseException) -> str:
    """Returns one line for an error of memory, also if it has no explanation."""
    if isinstance(error, NotEnoughMemoryError):
        return str(error)
    advice = "use a smaller image (--size), a smaller batch, or more memory"
    return f"this {_lack(error)}: {advice}"


def in_bytes(number: float) -> str:
    """Returns a number of bytes for people, as "1.5 GB"."""
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.0f} MB"


def _lack(error: BaseException) -> str:
    if isinstance(error, _TooLargeError):
        return str(error)
    asked = re.search(r"allocat\w* (?:of )?(\d{4,})", str(error))
    at_once = f" ({in_bytes(int(asked[1]))} at once)" if asked else ""
    return f"needs more memory than is free{at_once}"


def _machine_bytes(proc: Path) -> int | None:
    with suppress(OSError):
        found = re.search(r"MemAvailable:\s*(\d+) kB", (proc / "meminfo").read_text())
        if found:
            return int(found[1]) * 1024
    with suppress(OSError, ValueError, AttributeError):  # all there is, elsewhere
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _address_bytes(proc: Path) -> int | None:
    try:
        import resource  # noqa: PLC0415  (Windows has none)
    except ImportError:
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None
    with suppress(OSError, ValueError):
        pages = int((proc / "self" / "statm").read_text().split()[0])
        return limit - pages * resource.getpagesize()
    return limit


def _cgroup_bytes(proc: Path, cgroups: Path) -> Iterator[int]:
    """Yields what each group above this process leaves, of both versions."""
    try:
        lines = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            root, names = cgroups, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            root = cgroups / "memory"
            names = (
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_inactive_file",
            )
        else:
            continue
        folder = root / path.strip("/")
        while True:
            left = _group_bytes(folder, *names)
            if left is not None:
                yield left
            if folder == root or root not in folder.parents:
                break
            folder = folder.parent


def _group_bytes(folder: Path, limit: str, used: str, file_cache: str) -> int | None:
    try:
        # "max" where there is no limit, which is no number.
        left = int((folder / limit).read_text()) - int((folder / used).read_text())
    except (OSError, ValueError):
        return None
    with suppress(OSError):
        # Cached files count as used, but are dropped when memory is needed.
        text = (folder / "memory.stat").read_text()
        found = re.search(rf"^{file_cache} (\d+)$", text, re.MULTILINE)
        left += int(found[1]) if found else 0
    return left


def describe_error(error: BaseException) -> str:
    """The error's message in one line."""
    if is_out_of_memory(error):
        text = describe_lack(error)
    elif isinstance(error, OSError) and error.strerror and error.filename is not None:
        text = f"{os.fsdecode(error.filename)}: {error.strerror}"
    else:
        text = str(error)
    return " ".join(text.split()) or type(error).__name__
