"""Flags of `train` that choose who starts its processes."""

import dataclasses
import re
from collections.abc import Sequence

from styleflax.config import override

_FLAG = re.compile(r"--?(?P<name>launcher|ray\.[^=]*)(=(?P<value>.*))?", re.DOTALL)
_LAUNCHERS = ("jax", "ray")


@dataclasses.dataclass(frozen=True)
class RayFlags:
    """What `--ray.FIELD` sets; see `training.on_ray.train_on_ray`."""

    num_workers: int = 0
    address: str = ""
    max_failures: int = 3
    gpus_per_worker: int = 1


def split_ray(arguments: Sequence[str]) -> tuple[RayFlags | None, list[str]]:
    """What a command line says of Ray, or None without it; and its other arguments.

    Raises:
        ValueError: If a flag is unknown, lacks its value or has an impossible one,
            or stands without `--launcher=ray`.
    """
    given: dict[str, str] = {}
    rest: list[str] = []
    waiting = ""
    for argument in arguments:
        match = _FLAG.fullmatch(argument)
        if waiting and not argument.startswith("--"):
            given[waiting], waiting = argument, ""
        elif waiting:
            break
        elif match is None:
            rest.append(argument)
        elif match["value"] is None:
            waiting = match["name"]
        else:
            given[match["name"]] = match["value"]
    if waiting:
        raise ValueError(f"--{waiting} needs a value; see --help")
    launcher = given.pop("launcher", "jax")
    if launcher not in _LAUNCHERS:
        raise ValueError(f"--launcher must be jax or ray, got {launcher!r}")
    if launcher == "jax":
        for name in given:
            raise ValueError(f"--{name} requires --launcher=ray")
        return None, rest
    return _parse(given), rest


def _parse(given: dict[str, str]) -> RayFlags:
    fields = [(name.removeprefix("ray."), text) for name, text in given.items()]
    flags = override(RayFlags(), fields, "--ray")
    if "ray.num_workers" not in given:
        raise ValueError("--launcher=ray requires --ray.num_workers, for example 2")
    return flags
