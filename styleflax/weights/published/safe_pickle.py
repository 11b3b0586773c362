"""Reading of pickles that runs no code from the file.

A pickle names the functions that rebuild its objects, so reading a foreign one with
`pickle.load` runs the code of its author. Here a name is looked up in a
short list of this project's own stand-ins, and every other name is refused. NumPy's
own rebuilding functions are not on the list either: they trust the shapes and bytes
that they are given, while `_ArrayState` checks them.

A few bytes can ask for much: a memo slot makes Python allocate all below it, and a
tuple that holds one tuple twice, which holds one twice, and so on, takes years to hash.
The stack is followed as `pickletools` describes each instruction.
"""

import io
import math
import pickle
import pickletools
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np

_DTYPES = ("f2", "f4", "f8", "i4", "i8", "u1")


class Constructor:
    """A function that a pickle may call and may not change.

    Pickles can also write attributes of what they look up; slots and the refusing
    `__setstate__` leave them nothing to write to.
    """

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *args: Any) -> Any:
        """Call the function with what the pickle gives."""
        return self._function(*args)

    def __setstate__(self, _: Any) -> None:
        """Refuse: a constructor has no state."""
        raise pickle.UnpicklingError("the file writes to a constructor")


Names = Mapping[tuple[str, str], Any]
"""What a pickle may look up: (module, name) -> a `Constructor` or a constant."""


class _RestrictedUnpickler(pickle.Unpickler):
    def __init__(
        self,
        file: BinaryIO,
        names: Names,
        load_persistent: Callable[[Any], Any] | None,
    ) -> None:
        # Python 2 wrote its strings as bytes; latin1 is what NumPy asks for there.
        super().__init__(file, encoding="latin1")
        self._names = names
        self._load_persistent = load_persistent

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for a name, or refuse it."""
        try:
            return self._names[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it asks for {module}.{name}, which is not allowed"
            ) from None

    def persistent_load(self, pid: Any) -> Any:
        """Return the object that the file keeps outside the pickle."""
        if self._load_persistent is None:
            raise pickle.UnpicklingError("it refers to objects outside the pickle")
        return self._load_persistent(pid)


def load_restricted(
    file: BinaryIO,
    names: Names,
    load_persistent: Callable[[Any], Any] | None = None,
) -> Any:
    """Return the object of the pickle at a file's position; run no code from it.

    The file is left behind the pickle's end, so that several can be read in a row.

    Args:
        file: a seekable binary file.
        names: all that the pickle may look up.
        load_persistent: makes the object for a persistent id; None refuses them.

    Returns:
        Whatever the stand-ins build; the caller checks its type.

    Raises:
        ValueError: for anything that is not a well-formed pickle of allowed names.
    """
    start = file.tell()
    try:
        check_instructions(file)
        end = file.tell()
        file.seek(start)
        # A copy of exactly this pickle: the C reader would read ahead of its end.
        pickled = io.BytesIO(file.read(end - start))
        value = _RestrictedUnpickler(pickled, names, load_persistent).load()
    except Exception as error:  # damaged pickles raise nearly every built-in error
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ValueError(f"not a pickle that can be read safely: {reason}") from error
    file.seek(end)
    return value


class _DtypeState:
    """Stand-in for numpy.dtype: a plain number type, with its byte order."""

    def __init__(self, code: str, *_: Any) -> None:
        if code not in _DTYPES:
            raise pickle.UnpicklingError(f"arrays of type {code!r} are not allowed")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order = state[1]
        if order not in {"<", ">", "|", "="}:
            raise pickle.UnpicklingError(f"unknown byte order {order!r}")
        self.dtype = self.dtype.newbyteorder(order)


class _ArrayState:
    """Stand-in for numpy.ndarray: its shape, type and bytes, checked."""

    array: np.ndarray

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype_state, is_fortran, data = state
        dtype = dtype_state.dtype
        if min(shape, default=0) < 0 or not isinstance(data, bytes):
            raise pickle.UnpicklingError("an array without a proper shape and bytes")
        if math.prod(shape) * dtype.itemsize != len(data):
            raise pickle.UnpicklingError(
                f"an array of shape {shape} has {len(data)} bytes"
            )
        flat = np.frombuffer(data, dtype)
        shaped = flat.reshape(shape[::-1]).T if is_fortran else flat.reshape(shape)
        self.array = np.ascontiguousarray(shaped).reshape(shape)


def _numpy_names() -> Names:
    names: dict[tuple[str, str], Any] = {
        # Only the placeholder arguments of _reconstruct: never called.
        ("numpy", "ndarray"): None,
        ("numpy", "dtype"): Constructor(_DtypeState),
    }
    # NumPy 2 renamed numpy.core; files from before and after are both around.
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        names[module, "_reconstruct"] = Constructor(lambda *_: _ArrayState())
    return names


def _as_arrays(value: Any, depth: int = 0) -> Any:
    if isinstance(value, _ArrayState):
        return value.array
    if isinstance(value, dict) and depth < 8:
        return {key: _as_arrays(child, depth + 1) for key, child in value.items()}
    raise ValueError("the pickle holds something that is not an array")


def load_array_tree(file: BinaryIO) -> dict[str, Any]:
    """Return the nested dict of NumPy arrays that a pickle holds.

    Args:
        file: a seekable binary file at the pickle's start.

    Raises:
        ValueError: If the pickle holds, or asks for, anything but dicts and arrays.
    """
    value = load_restricted(file, _numpy_names())
    if not isinstance(value, dict):
        raise ValueError(f"the pickle holds no dict but a {type(value).__name__}")  # noqa: TRY004
    tree: dict[str, Any] = _as_arrays(value)
    return tree


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
        ValueError: If it is no pickle; IndexError and KeyError are possible too.
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
