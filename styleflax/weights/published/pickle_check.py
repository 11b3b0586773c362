"""A check of a pickle's instructions before any of them is executed.

A few bytes can ask for much: a memo slot makes Python allocate all below it, and a
tuple that holds one tuple twice, which holds one twice, and so on, takes years to hash.
The stack is followed as `pickletools` describes each instruction.
"""

import pickle
import pickletools
from typing import Any, BinaryIO

MAX_MEMO_INDEX = 1_000_000
"""Largest memo slot a file may name: Python allocates the memo up to that slot."""

MAX_NESTED_SIZE = 1000
"""Most items that a tuple may have, those within its items counted each time."""

_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})
_TUPLES = frozenset({"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"})
# What these leave on the stack is the object that lay there before, filled.
_FILLING = frozenset({"APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD"})


def check_instructions(file: BinaryIO) -> None:
    """Leave the file behind the end of a pickle that asks for a bounded effort.

    Args:
        file: a binary file at the pickle's start.

    Raises:
        pickle.UnpicklingError: it does not.
        ValueError: it is no pickle; IndexError and KeyError are possible too.
    """
    stack = _Stack()
    for opcode, argument, _ in pickletools.genops(file):
        stack.follow(opcode, argument)


class _Stack:
    """The sizes of what would lie on the unpickler's stack; None is a mark."""

    def __init__(self) -> None:
        self._sizes: list[int | None] = []
        self._memo: dict[int, int] = {}

    def follow(self, opcode: pickletools.OpcodeInfo, argument: Any) -> None:
        name = opcode.name
        if name in _PUTS or name == "MEMOIZE":
            slot = len(self._memo) if name == "MEMOIZE" else argument
            if slot > MAX_MEMO_INDEX:
                raise pickle.UnpicklingError(f"it uses the memo slot {slot}")
            self._memo[slot] = self._sizes[-1] or 0
        elif name in _GETS:
            self._sizes.append(self._memo[argument])
        elif name == "DUP":
            self._sizes.append(self._sizes[-1])
        else:
            self._replace(opcode)

    def _replace(self, opcode: pickletools.OpcodeInfo) -> None:
        popped = self._pop(opcode)
        size = sum(popped)
        if opcode.name in _FILLING:
            size = popped[0]
        elif opcode.name in _TUPLES:
            size += 1
        if size > MAX_NESTED_SIZE:
            raise pickle.UnpicklingError(f"it nests more than {MAX_NESTED_SIZE} items")
        is_mark = [item is pickletools.markobject for item in opcode.stack_after]
        self._sizes += [None if mark else max(size, 1) for mark in is_mark]

    def _pop(self, opcode: pickletools.OpcodeInfo) -> list[int]:
        """What an instruction takes from the stack, lowest first."""
        before = opcode.stack_before
        popped: list[int | None] = []
        num_below = len(before)
        # POP takes a mark where one is on top.
        pops_mark = opcode.name == "POP" and self._sizes and self._sizes[-1] is None
        if pickletools.markobject in before or pops_mark:
            while (size := self._sizes.pop()) is not None:
                popped.append(size)
            num_below = 0 if pops_mark else before.index(pickletools.markobject)
        popped += [self._sizes.pop() for _ in range(num_below)]
        return [size or 0 for size in reversed(popped)]
