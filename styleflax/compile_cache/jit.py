"""Compiled programs that are cached between processes and found without tracing.

JAX's own cache saves XLA's compilation, but its key is the lowered program, so every
process traces and lowers first: for these networks a third of the time. Here the key
consists of everything that determines the program: this package's source, what the
function holds, types and shapes of the arguments, versions, device and flags.
"""

import contextlib
import dataclasses
import enum
import functools
import hashlib
import os
import pickle
import threading
import time
import types
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import flax
import jax
import jaxlib.version
import numpy as np
from jax.experimental import serialize_executable
from jax.experimental.compilation_cache import compilation_cache

from styleflax.compile_cache.folder import (
    PROGRAM_SUFFIX,
    machine_name,
    program_folder,
    read_cached,
    write_cached,
)
from styleflax.memory import guard_program, is_out_of_memory, refuse_fork

FORMAT = 2
_WITHOUT_PROGRAMS = frozenset({"cli", "evaluation", "images", "datasets", "art"})
"""Folders of this package whose source is never traced into a cached program."""
_VARIABLES = ("XLA_FLAGS", "LIBTPU_INIT_ARGS", "NVIDIA_TF32_OVERRIDE")
_PLAIN = (str, bytes, int, float, bool, types.NoneType, enum.Enum, np.dtype)


class Unknown(Exception):  # noqa: N818  (no mistake of anybody)
    """A value cannot be described completely."""


def describe(value: Any) -> str:
    """Returns a text that identifies a value, the same in every process.

    Functions are named, with what they close over; their code is in
    `environment_digest`.

    Raises:
        Unknown: If there is anything that cannot be put so.
    """
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, type):
        return _name(value)
    if isinstance(value, functools.partial):
        return f"partial{_join((value.func, value.args, value.keywords))}"
    if isinstance(value, types.MethodType):
        return f"{value.__name__} of {describe(value.__self__)}"
    if isinstance(value, types.FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        held = (cells, value.__defaults__, value.__kwdefaults__)
        return f"{_name(value)}:{value.__code__.co_firstlineno}{_join(held)}"
    return f"{_name(type(value))}{_describe_parts(value)}"


def _describe_parts(value: Any) -> str:
    if isinstance(value, Mapping):  # in its order, which may matter
        return _join([part for item in value.items() for part in item])
    if isinstance(value, Set):
        return str(sorted(describe(part) for part in value))
    if isinstance(value, tuple | list):
        return _join(value)
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        # A Flax module's parent is a sentinel for those that have none.
        names = [field.name for field in fields if field.name != "parent"]
        return _join([part for name in names for part in (name, getattr(value, name))])
    raise Unknown(type(value))


def _join(values: Any) -> str:
    return f"({', '.join(describe(value) for value in values)})"


def _name(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}"


def digest(content: str | bytes) -> str:
    """SHA-256 as 64 hexadecimal digits."""
    data = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()


def jax_options() -> str:
    """Returns the current settings of JAX."""
    # No cache changes a program, and where it lies may differ between processes.
    values = sorted(jax.config.values.items())
    return str([(name, str(value)) for name, value in values if "cache" not in name])


def environment_digest() -> str:
    """Returns a digest of what programs depend on besides functions and arguments."""
    device = jax.local_devices()[0]
    parts = (
        *(FORMAT, _source_digest()),
        *(jax.__version__, jaxlib.version.__version__, flax.__version__),
        *(device.platform, device.device_kind, device.client.platform_version),
        *(machine_name(), os.cpu_count(), jax_options()),
        *(os.environ.get(name) for name in _VARIABLES),
    )
    return digest(repr(parts))


@functools.cache
def _source_digest() -> str:
    return digest(
        b"\n".join(digest(path.read_bytes()).encode() for path in source_files())
    )


def source_files() -> list[Path]:
    """Returns the files of this package whose change makes programs stale, sorted."""
    package = Path(__file__).parent.parent
    return [
        path
        for path in sorted(package.rglob("*.py"))
        if path.relative_to(package).parts[0] not in _WITHOUT_PROGRAMS
    ]


RETRIEVED = "/styleflax/compile/retrieval"
"""Name under which `jax.monitoring` gets the seconds of reading a program."""

_SWITCHING = threading.Lock()
_UNUSABLE = Exception
"""What JAX and the pickle module may raise of a program that does not fit this
process; it is then compiled again."""


def cached_jit(
    function: Callable[..., Any], static_argnums: Sequence[int] = ()
) -> "CachedFunction":
    """Returns `jax.jit(function)`, with programs cached in `program_folder`.

    Args:
        function: A function of positional arguments.
        static_argnums: Numbers of the first arguments, as for `jax.jit`; these
            arguments must be hashable. Programs are cached if these, and the values
            that the function closes over, are functions, dataclasses, tuples, mappings,
            numbers and text.
    """
    return CachedFunction(function, len(static_argnums))


class CachedFunction:
    """A compiled function, as `cached_jit` returns it.

    Programs run on the first device of this process. With arguments on other devices,
    or inside another traced function, it behaves like the function of `jax.jit`.
    """

    def __init__(self, function: Callable[..., Any], num_static: int) -> None:
        self._function, self._num_static = function, num_static
        self._jit: Any = jax.jit(function, static_argnums=tuple(range(num_static)))
        self._programs: dict[Any, Callable[..., Any]] = {}
        self._lock = threading.Lock()

    def __call__(self, *arguments: Any) -> Any:
        """The function's result."""
        refuse_fork()
        folder = program_folder()
        # Without a folder, only programs for CPU are compiled here: to know their need.
        if folder is None and jax.default_backend() != "cpu":
            return self._jit(*arguments)
        leaves, tree = jax.tree.flatten(arguments[self._num_static :])
        if not _is_plain(leaves):
            return self._jit(*arguments)
        types = tuple(_type(leaf) for leaf in leaves)
        key = (arguments[: self._num_static], tree, types, jax_options())
        if key not in self._programs:
            with self._lock:
                if key not in self._programs:
                    return self._begin(key, folder, arguments)
        return self._programs[key](*arguments[self._num_static :])

    def _cache_size(self) -> int:
        """Returns the number of programs, as for functions of `jax.jit`."""
        return len(self._programs) + self._jit._cache_size()

    def _begin(self, key: Any, folder: Path | None, arguments: tuple[Any, ...]) -> Any:
        """The first result of a program, which is read, or else compiled and written.

        What was read is waited for: where it does not run, it is compiled anew.
        """
        static, tree, types, _ = key
        dynamic = arguments[self._num_static :]
        path = None
        with contextlib.suppress(Unknown):
            if folder is not None:
                text = describe((self._function, static, str(tree), types))
                path = folder / _file_name(self._function, text)
        kept = None if path is None else _read(path, _load_program)
        if kept is not None:
            program = guard_program(kept)
            try:
                result = jax.block_until_ready(program(*dynamic))
            except jax.errors.JaxRuntimeError as error:
                if is_out_of_memory(error):
                    raise
            else:
                self._programs[key] = program
                return result
        compiled = self._compile(path, arguments)
        self._programs[key] = guard_program(compiled)
        return self._programs[key](*dynamic)

    def _compile(self, path: Path | None, arguments: tuple[Any, ...]) -> Any:
        """A program, which is written if there is a path."""
        lowered = self._jit.lower(*arguments)
        if path is None:
            return lowered.compile()
        with _without_jax_cache():
            program = lowered.compile()
        # With constants, JAX cannot; such a program is compiled every time.
        with contextlib.suppress(ValueError, NotImplementedError):
            write_cached(path, pickle.dumps(serialize_executable.serialize(program)))
        return program


@contextlib.contextmanager
def _without_jax_cache() -> Iterator[None]:
    """Compiles truly: what JAX's own cache gives cannot be written once more.

    On CPU it is written without complaint, but lacks its functions when it is read.
    """
    with _SWITCHING:
        options: Any = jax.config
        is_on = options.jax_enable_compilation_cache
        jax.config.update("jax_enable_compilation_cache", False)
        compilation_cache.reset_cache()  # it asks for the switch but once
        try:
            yield
        finally:
            jax.config.update("jax_enable_compilation_cache", is_on)
            compilation_cache.reset_cache()


def cached_shapes(
    function: Callable[..., Any], *arguments: jax.ShapeDtypeStruct
) -> Any:
    """Returns `jax.eval_shape(function, *arguments)`, cached in the same way.

    Works for trees of dictionaries and tuples.
    """
    folder = program_folder()
    try:
        types = [_type(argument) for argument in arguments]
        text = "" if folder is None else describe((function, types))
    except Unknown:
        folder = None
    if folder is None:
        return jax.eval_shape(function, *arguments)
    path = folder / _file_name(function, f"shapes {text}")
    shapes = _read(path, pickle.loads)
    if shapes is None:
        shapes = jax.eval_shape(function, *arguments)
        write_cached(path, pickle.dumps(shapes))
    return shapes


def _is_plain(leaves: list[Any]) -> bool:
    """Whether all are on the first device, or on none yet."""
    options: Any = jax.config
    if options.jax_default_device is not None or options.jax_disable_jit:
        return False
    arrays = [leaf for leaf in leaves if isinstance(leaf, jax.Array)]
    if any(isinstance(leaf, jax.core.Tracer) for leaf in arrays):
        return False
    first = {jax.local_devices()[0]}
    return all(leaf.devices() == first for leaf in arrays)


def _type(leaf: Any) -> tuple[tuple[int, ...], str, bool]:
    found = leaf if isinstance(leaf, jax.ShapeDtypeStruct) else jax.typeof(leaf)
    return found.shape, str(found.dtype), bool(found.weak_type)


def _file_name(function: Callable[..., Any], text: str) -> str:
    while hasattr(function, "func"):  # of a partial
        function = function.func
    name = getattr(function, "__name__", "program").strip("_<>")
    return f"{name}-{digest(environment_digest() + text)}{PROGRAM_SUFFIX}"


def _load_program(content: bytes) -> Callable[..., Any]:
    payload, inputs, outputs = pickle.loads(content)
    device = jax.local_devices()[0]
    return serialize_executable.deserialize_and_load(
        payload, inputs, outputs, device.client, [device]
    )


def _read(path: Path, load: Callable[[bytes], Any]) -> Any:
    """What a file holds; None if there is none, or it cannot be used."""
    with _timed():
        content = read_cached(path)
        if content is None:
            return None
        try:
            return load(content)
        except _UNUSABLE:
            return None


@contextlib.contextmanager
def _timed() -> Iterator[None]:
    started = time.perf_counter()
    yield
    spent = time.perf_counter() - started
    jax.monitoring.record_event_duration_secs(RETRIEVED, spent)
