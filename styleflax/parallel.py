"""A step written for one device, mapped over many; one picture split by rows.

Nothing else in the library names a mesh, or a device axis but by `AXIS`. Where several
processes train together (`jax.distributed`), `devices` are those of all of them, and a
batch is the process's own share.

A picture that is split by rows is a program that XLA partitions: it sends the rows that
convolutions need of the next device's part and adds up statistics over all of them.
"""

import collections
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Float

from styleflax.memory import guard_jit, refuse_fork
from styleflax.ops.conv import ROW_SPLIT

AXIS = "data"
"""Name of the axis over which steps average (`jax.lax.pmean`)."""

Step = Callable[[Any, Any, Any], tuple[Any, Any]]


def local_devices(num_devices: int = 0) -> list[jax.Device]:
    """The first `num_devices` devices of this process; all of them for 0.

    Raises:
        ValueError: If there are fewer.
    """
    refuse_fork()
    return _first(jax.local_devices(), num_devices)


def all_devices(num_devices: int = 0) -> list[jax.Device]:
    """The first `num_devices` devices of every process, process after process.

    Raises:
        ValueError: If there are fewer, or if one process has more than another.
    """
    refuse_fork()
    by_process = collections.defaultdict(list)
    for device in jax.devices():
        by_process[device.process_index].append(device)
    counts = [len(by_process[i]) for i in sorted(by_process)]
    if len(set(counts)) > 1:
        raise ValueError(
            f"every process must have as many devices as the others; they have {counts}"
        )
    return [d for i in sorted(by_process) for d in _first(by_process[i], num_devices)]


def replicate(tree: Any, devices: Sequence[jax.Device]) -> Any:
    """The tree with every leaf whole on every device.

    Several processes must call it together, with the same values.
    """
    return _put(tree, NamedSharding(_mesh(devices), PartitionSpec()))


def local_view(tree: Any) -> Any:
    """The tree with replicated leaves as arrays of this process alone.

    A program over them runs here without the other processes.
    """
    return jax.tree.map(
        lambda x: (
            x.addressable_data(0)
            if isinstance(x, jax.Array) and not x.is_fully_addressable
            else x
        ),
        tree,
    )


def map_step(step: Step, devices: Sequence[jax.Device], mode: str = "pmap") -> Step:
    """`step(state, frozen, batch)` over several devices.

    Args:
        step: For one device; averages over `AXIS` whatever leaves it.
        devices: Where to run it.
        mode: `pmap` or `shard_map`. Both give each device an equal share of the
            batch's leading axis, and both donate the state.

    Returns:
        The same signature, from a replicated state and this process's share of
        the batch, on the host or as `make_put` put it, to a replicated state and
        replicated metrics.
    """
    return {"pmap": _map_by_pmap, "shard_map": _map_by_shard_map}[mode](step, devices)


def make_put(devices: Sequence[jax.Device], mode: str = "pmap") -> Callable[[Any], Any]:
    """`put(batch)`: this process's share of a batch, on its way to the devices.

    For the batches of `map_step` with the same arguments, which then need not
    wait for the transfer: `put` returns before it ends.
    """
    if mode == "shard_map":
        shares = NamedSharding(_mesh(devices), PartitionSpec(AXIS))
        return lambda batch: _put(batch, shares)
    local = [d for d in devices if d.process_index == jax.process_index()]
    dealt = NamedSharding(_mesh(local), PartitionSpec(AXIS))
    return lambda batch: jax.device_put(
        jax.tree.map(lambda x: _split(x, len(local)), batch), dealt
    )


AHEAD = 1
"""Batches on the devices in addition to the one in use; each costs its uint8 pixels."""


class DeviceBatches:
    """Batches that are on their way to the devices while the step before runs.

    Where steps are dispatched without waiting for them (on GPU and TPU), the time
    spent here overlaps with the devices' work, so that it bounds from above how
    long they are idle for want of data.
    """

    def __init__(self, batches: Iterator[Any], put: Callable[[Any], Any]) -> None:
        self._batches, self._put = batches, put
        self._queue: collections.deque[Any] = collections.deque()
        self._waited_s, self._since = 0.0, time.perf_counter()

    def __next__(self) -> Any:
        """The next batch, as `put` made it."""
        start = time.perf_counter()
        while len(self._queue) <= AHEAD:
            self._queue.append(self._put(next(self._batches)))
        self._waited_s += time.perf_counter() - start
        return self._queue.popleft()

    def take_wait_share(self) -> float:
        """Share of the time since the last call that was spent in `next`, 0 to 1."""
        now = time.perf_counter()
        share = self._waited_s / max(now - self._since, 1e-9)
        self._waited_s, self._since = 0.0, now
        return share


def map_rows(
    function: Callable[[Any, Any, Any], Any],
    constants: Any,
    devices: Sequence[jax.Device],
) -> Callable[[Any, Any], Any]:
    """`run(arguments, rows)`: a function of rows, dealt out over devices.

    Args:
        function: `(constants, arguments, rows)` -> rows, for one device; what it
            makes of a row must not depend on the others.
        constants: Kept on every device.
        devices: Devices of this process.

    Returns:
        The function on any number of rows from the host. Every device takes as
        many; where they do not divide, the last one is repeated and the repeats
        are dropped. On one device it is the plain program, which returns before
        the devices are done, as do many where the rows divide.
    """
    if len(devices) == 1:
        program = guard_jit(jax.jit(function))
        return lambda arguments, rows: program(constants, arguments, rows)
    mesh = _mesh(devices)
    whole, dealt = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in ((), (AXIS,)))
    mapped = jax.jit(
        jax.shard_map(
            function,
            mesh=mesh,
            in_specs=(PartitionSpec(), PartitionSpec(), PartitionSpec(AXIS)),
            out_specs=PartitionSpec(AXIS),
            check_vma=False,
        )
    )
    kept = jax.device_put(constants, whole)

    def run(arguments: Any, rows: Any) -> Any:
        size = len(jax.tree.leaves(rows)[0])
        missing = -size % len(devices)
        if missing:
            rows = jax.tree.map(
                lambda x: np.concatenate([x, np.repeat(x[-1:], missing, 0)]), rows
            )
        arguments = jax.device_put(arguments, whole)
        made = mapped(kept, arguments, jax.device_put(rows, dealt))
        if missing:
            made = jax.tree.map(lambda x: np.asarray(x)[:size], made)
        return made

    return run


def make_any(devices: Sequence[jax.Device]) -> Callable[[bool], jax.Array]:
    """`any_process(flag)`: whether any process says so, as an array on the devices.

    All processes must call it equally often.
    """
    mesh = _mesh(devices)
    program = jax.jit(jnp.any, out_shardings=NamedSharding(mesh, PartitionSpec()))
    shares = NamedSharding(mesh, PartitionSpec(AXIS))
    num_local = _count_local(devices)
    return lambda flag: program(_put(np.full(num_local, flag), shares))


def check_divides(batch_size: int, num_devices: int, name: str = "batch_size") -> None:
    """Refuses a batch that does not split evenly.

    Raises:
        ValueError: If the numbers do not match.
    """
    if batch_size % num_devices:
        raise ValueError(
            f"{name} must be a multiple of the {num_devices} devices, got {batch_size}"
        )


def _first(devices: Sequence[jax.Device], num_devices: int) -> list[jax.Device]:
    if num_devices > len(devices):
        raise ValueError(
            f"run.num_devices is {num_devices}, but there are only {len(devices)}"
        )
    return list(devices[: num_devices or None])


def _count_local(devices: Sequence[jax.Device]) -> int:
    return sum(d.process_index == jax.process_index() for d in devices)


def _mesh(devices: Sequence[jax.Device]) -> Mesh:
    # jax.make_mesh would make explicit axes, which shard_map does not take here.
    return Mesh(np.asarray(devices), (AXIS,))


def _put(tree: Any, sharding: NamedSharding) -> Any:
    """Arrays over all devices of a sharding, from what this process has of them."""
    if jax.process_count() == 1:
        return jax.device_put(tree, sharding)

    def put(x: Any) -> jax.Array:
        if isinstance(x, jax.Array) and x.sharding == sharding:
            return x
        return jax.make_array_from_process_local_data(sharding, np.asarray(x))

    return jax.tree.map(put, tree)


def _split(x: np.ndarray, num_devices: int) -> np.ndarray:
    return x.reshape(num_devices, -1, *x.shape[1:])


def _map_by_pmap(step: Step, devices: Sequence[jax.Device]) -> Step:
    mapped = guard_jit(
        jax.pmap(
            step,
            axis_name=AXIS,
            in_axes=(None, None, 0),
            out_axes=None,
            devices=devices,
            donate_argnums=(0,),
        )
    )
    num_local = _count_local(devices)

    def share(x: np.ndarray | jax.Array) -> np.ndarray | jax.Array:
        return x if isinstance(x, jax.Array) else _split(x, num_local)

    return lambda state, frozen, batch: mapped(
        state, frozen, jax.tree.map(share, batch)
    )


def _map_by_shard_map(step: Step, devices: Sequence[jax.Device]) -> Step:
    mesh = _mesh(devices)
    # check_vma=True would sum gradients of replicated parameters, too, and
    # pmean would leave them as many times too large as there are devices.
    mapped = guard_jit(
        jax.jit(
            jax.shard_map(
                step,
                mesh=mesh,
                in_specs=(PartitionSpec(), PartitionSpec(), PartitionSpec(AXIS)),
                out_specs=PartitionSpec(),
                check_vma=False,
            ),
            donate_argnums=(0,),
        )
    )
    shares = NamedSharding(mesh, PartitionSpec(AXIS))
    return lambda state, frozen, batch: mapped(state, frozen, _put(batch, shares))


MIN_ROWS_PX = 64
"""Fewest rows of a part: eight of relu4_1, more than any device must pass on."""


def devices_for(height: int, devices: Sequence[jax.Device]) -> list[jax.Device]:
    """As many devices as a picture of that height is worth splitting between.

    A divisor of `ops.conv.ROW_SPLIT`, such that each has `MIN_ROWS_PX` rows or more;
    one device, if the picture is smaller than two parts.
    """
    counts = (n for n in range(len(devices), 1, -1) if ROW_SPLIT % n == 0)
    fitting = (n for n in counts if height >= n * MIN_ROWS_PX)
    return list(devices[: next(fitting, 1)])


class RowSplit:
    """`split(arguments, image)`: a function of an image, run on parts of its rows.

    Compiled once for each size. A height that does not divide leaves the last
    devices fewer rows: the image is lengthened on the host and cut again inside the
    program, before anything sees the rows that were added.
    """

    def __init__(
        self, function: Callable[[Any, Any], Any], devices: Sequence[jax.Device]
    ) -> None:
        """Takes `(arguments, image (b, h, w, 3))` -> an image of that size.

        The function must be XLA's own operations throughout (`native=True` in
        methods), which XLA can split; `arguments` are whole on every device.
        """
        mesh = Mesh(np.asarray(devices), ("rows",))
        self._num_parts = len(devices)
        self._whole = NamedSharding(mesh, PartitionSpec())
        self._rows = NamedSharding(mesh, PartitionSpec(None, "rows"))

        def padded(arguments: Any, image: Any, height: int) -> Any:
            made = function(arguments, image[:, :height])
            return self._lengthen(jnp, made)

        self._program = jax.jit(padded, static_argnums=2, out_shardings=self._rows)

    def __call__(
        self, arguments: Any, image: Float[np.ndarray, "b h w 3"]
    ) -> Float[np.ndarray, "b h w 3"]:
        """The function's image, on the host."""
        height = image.shape[1]
        made = self._program(*self._placed(arguments, image), height)
        return np.asarray(made)[:, :height]

    def compile(self, arguments: Any, image: np.ndarray) -> jax.stages.Compiled:
        """The program for images of that size, for inspection."""
        placed = self._placed(arguments, image)
        return self._program.lower(*placed, image.shape[1]).compile()

    def _placed(self, arguments: Any, image: np.ndarray) -> tuple[Any, Any]:
        image = self._lengthen(np, image)
        return (
            jax.device_put(arguments, self._whole),
            jax.device_put(image, self._rows),
        )

    def _lengthen(self, numpy: Any, image: Any) -> Any:
        margin = -image.shape[1] % self._num_parts
        return numpy.pad(image, ((0, 0), (0, margin), (0, 0), (0, 0)))
