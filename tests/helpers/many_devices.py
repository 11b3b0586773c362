"""Parameters after three steps on 1, 2 and 8 virtual devices; the tests' child.

python many_devices.py OUT.npz
"""

import sys

import jax
import numpy as np
import optax
from tiny_run import make_tiny

from styleflax.parallel import all_devices, map_step, replicate
from styleflax.training.step import create_state, make_train_step


def flat(state):
    return np.concatenate([np.ravel(x) for x in jax.tree.leaves(state.variables)])


def main():
    method, optimizer = make_tiny({"plain": 1.0}), optax.identity()
    step = make_train_step(method, optimizer, lambda i: 0.1)
    images = np.random.default_rng(1).uniform(0, 1, (3, 2, 8, 8, 8, 3))
    start = create_state(method, optimizer, 0)
    found = {"start": flat(start)}
    for num_devices in (1, 2, 8):
        devices = all_devices(num_devices)
        frozen = replicate({"encoder": {"scale": np.float32([1.5])}}, devices)
        for mode in ("pmap", "shard_map"):
            # Through the host, because the step donates what it is given.
            state = replicate(jax.device_get(start), devices)
            mapped = map_step(step, devices, mode)
            for content, style in images.astype(np.float32):
                batch = {"content": content, "style": style}
                state, metrics = mapped(state, frozen, batch)
                jax.block_until_ready(metrics)
            found[f"{mode} {num_devices}"] = flat(jax.device_get(state))
    np.savez(sys.argv[1], **found)


if __name__ == "__main__":
    main()
