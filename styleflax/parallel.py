"""A step written for one device, mapped over many: pmap and shard_map.

Nothing else in the library names a mesh or a device axis but by `AXIS`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

AXIS = "data"
"""Name of the axis over which steps average (`jax.lax.pmean`)."""

Step = Callable[[Any, Any, Any], tuple[Any, Any]]


def local_devices(num_devices: int = 0) -> list[jax.Device]:
    """The first `num_devices` devices of this process; all of them for 0.

    Raises:
        ValueError: If there are fewer.
    """
    devices = jax.local_devices()
    if num_devices > len(devices):
        raise ValueError(
            f"run.num_devices is {num_devices}, but there are only {len(devices)}"
        )
    return devices[: num_devices or None]


def replicate(tree: Any, devices: Sequence[jax.Device]) -> Any:
    """The tree with every leaf whole on every device."""
    return jax.device_put(tree, NamedSharding(_mesh(devices), PartitionSpec()))


def map_step(step: Step, devices: Sequence[jax.Device], mode: str = "pmap") -> Step:
    """`step(state, frozen, batch)` over several devices.

    Args:
        step: For one device; averages over `AXIS` whatever leaves it.
        devices: Where to run it.
        mode: `pmap` or `shard_map`. Both give each device an equal share of the
            batch's leading axis, and both donate the state.

    Returns:
        The same signature, from a replicated state and a batch on the host to
        a replicated state and replicated metrics.
    """
    return {"pmap": _map_by_pmap, "shard_map": _map_by_shard_map}[mode](step, devices)


def check_divides(batch_size: int, num_devices: int, name: str = "batch_size") -> None:
    """Refuses a batch that does not split evenly.

    Raises:
        ValueError: Naming the numbers.
    """
    if batch_size % num_devices:
        raise ValueError(
            f"{name} must be a multiple of the {num_devices} devices, got {batch_size}"
        )


def _mesh(devices: Sequence[jax.Device]) -> Mesh:
    # jax.make_mesh would make explicit axes, which shard_map does not take here.
    return Mesh(np.asarray(devices), (AXIS,))


def _map_by_pmap(step: Step, devices: Sequence[jax.Device]) -> Step:
    mapped = jax.pmap(
        step,
        axis_name=AXIS,
        in_axes=(None, None, 0),
        out_axes=None,
        devices=devices,
        donate_argnums=(0,),
    )

    def split(x: np.ndarray) -> np.ndarray:
        return x.reshape(len(devices), -1, *x.shape[1:])

    return lambda state, frozen, batch: mapped(
        state, frozen, jax.tree.map(split, batch)
    )


def _map_by_shard_map(step: Step, devices: Sequence[jax.Device]) -> Step:
    mesh = _mesh(devices)
    # check_vma=True would sum gradients of replicated parameters by itself, and
    # pmean would leave them as many times too large as there are devices.
    mapped = jax.jit(
        jax.shard_map(
            step,
            mesh=mesh,
            in_specs=(PartitionSpec(), PartitionSpec(), PartitionSpec(AXIS)),
            out_specs=PartitionSpec(),
            check_vma=False,
        ),
        donate_argnums=(0,),
    )
    shares = NamedSharding(mesh, PartitionSpec(AXIS))
    return lambda state, frozen, batch: mapped(
        state, frozen, jax.device_put(batch, shares)
    )
