"""Forked processes, in which JAX never answers once their parent has used it.

JAX's threads are not in the child of a fork, but the locks that they held are. So the
first use there is refused in words, in place of waiting for ever.
"""

import os
import sys


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
