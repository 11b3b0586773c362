"""What `train.py` and `styleflax train` do."""

import dataclasses
import importlib.util
import logging
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm.contrib.logging import logging_redirect_tqdm

import styleflax
from styleflax.cli.app import EXIT_INTERRUPTED, one_line_errors
from styleflax.config import OPTIONS, Config, flatten, override

if TYPE_CHECKING:
    from styleflax.distributed import StopRequest


USAGE = """\
usage: {program} --config=FILE --workdir=DIR [--config.FIELD=VALUE ...]

  --config   configuration file, or the name of a packaged one: {names}
  --workdir  folder of the run; an interrupted run continues there

On several hosts, run the same command in each process, except for --process_id:
  --coordinator    HOST:PORT of process 0
  --num_processes  number of processes
  --process_id     number of this process, from 0
or --config.run.distributed=auto under Slurm, Open MPI, GKE or on Cloud TPU.

On a Ray cluster, run one command on any node:
  --launcher             ray; default: jax
  --ray.num_workers      number of processes; each gets a share of every batch
  --ray.address          HOST:PORT or auto; default: start a cluster on this machine
  --ray.gpus_per_worker  GPUs per process; default: 1 if the cluster has any
  --ray.max_failures     number of restarts after a worker dies; default: 3

Options of the method, and losses by name (lists are JSON, words need no quotes):
  --config.options.NAME=VALUE
  --config.phases[I].losses.NAME=WEIGHT
{options}

Fields and their defaults (a configuration file may change them):
"""
EXIT_DIVERGED = 3
_FLAG = re.compile(
    r"--?((?P<no>no)?config\.(?P<field>[^=]+)|(?P<name>config|workdir))(=(?P<value>.*))?",
    re.DOTALL,
)
_SHORT = re.compile(r"--?(coordinator|num_processes|process_id)(?==|$)")
"""Flags that stand for fields of `config.run`."""
_WAITING = re.compile(
    r"--?(workdir|coordinator|num_processes|process_id|config(\.[^=]+)?)"
)
"""A flag whose value is the next argument."""


@dataclasses.dataclass(frozen=True)
class RayFlags:
    """What `--ray.FIELD` sets; see `training.on_ray.train_on_ray`."""

    num_workers: int = 0
    address: str = ""
    max_failures: int = 3
    gpus_per_worker: int = 1


def main(argv: Sequence[str] | None = None) -> None:
    """Trains as the command line says, from the start or from where a run stopped.

    Args:
        argv: Name of the program and its arguments; `sys.argv` by default.

    Raises:
        SystemExit: With code 2 after a user's mistake, 1 if memory did not suffice, 3
            if training diverged, 130 after Ctrl-C, which saves. A run that SIGTERM
            stopped after saving, as schedulers do, ends normally.
    """
    program, *arguments = sys.argv if argv is None else argv
    if "--help" in arguments or "-h" in arguments:
        print(_usage(program))
        return
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("styleflax").setLevel(logging.INFO)
    with one_line_errors(), logging_redirect_tqdm():
        ray, rest = split_ray(arguments)
        config, workdir = parse_arguments(rest)
        _train(config, workdir, ray)


def parse_arguments(arguments: Sequence[str]) -> tuple[Config, Path]:
    """The configuration and the run's folder that a command line asks for.

    Raises:
        ValueError: If a flag, a field, a loss or an option is unknown, missing or of
            another type, or if the configuration file fails.
        FileNotFoundError: If there is no such configuration.
    """
    plain: dict[str, str] = {}
    fields: list[tuple[str, str]] = []
    for argument in _joined(arguments):
        match = _FLAG.fullmatch(argument)
        if match is None:
            kind = "unknown flag" if argument.startswith("-") else "unexpected argument"
            name = argument.lstrip("-").partition("=")[0]
            raise ValueError(f"{kind} {name!r}; see --help")
        value = match["value"]
        if match["field"]:
            without_value = "false" if match["no"] else "true"
            fields.append((match["field"], without_value if value is None else value))
        elif value is None:
            raise ValueError(f"{argument} needs a value; see --help")
        else:
            plain[match["name"]] = value
    for name, example in (("config", "configs/adain.py"), ("workdir", "runs/adain")):
        if name not in plain or (name == "workdir" and not plain[name]):
            raise ValueError(f"--{name} is missing; for example --{name}={example}")
    config = override(_load_config(plain["config"]), fields, "--config")
    if any(".losses." in path or path.startswith("options.") for path, _ in fields):
        _check_method(config)
    return config, Path(plain["workdir"])


def resolve_config(spec: str) -> str:
    """The path of a configuration from a path or from the name of a packaged one.

    Args:
        spec: Either, perhaps with `:ARGUMENT` for the file's `get_config`.

    Raises:
        FileNotFoundError: If there is neither; lists the packaged ones.
    """
    name, colon, argument = spec.partition(":")
    packaged = _packaged_configs()
    path = Path(name) if Path(name).is_file() else packaged.get(name)
    if path is None:
        raise FileNotFoundError(
            f"--config must be a file or a packaged configuration, got {name!r}; "
            f"packaged are {', '.join(sorted(packaged))}"
        )
    return f"{path}{colon}{argument}"


def _load_config(spec: str) -> Config:
    """What `get_config` of a file returns, with what follows the spec's colon."""
    path, colon, argument = resolve_config(spec).partition(":")
    try:
        file = importlib.util.spec_from_file_location("_styleflax_config", path)
        assert file is not None
        assert file.loader is not None
        module = importlib.util.module_from_spec(file)
        file.loader.exec_module(module)
        config = module.get_config(argument) if colon else module.get_config()
    except Exception as error:  # a configuration file may raise anything
        text = " ".join(str(error).split())
        raise ValueError(f"--config: {type(error).__name__}: {text}") from error
    if not isinstance(config, Config):
        raise ValueError("get_config() of --config must return a styleflax Config")  # noqa: TRY004
    return config


def _check_method(config: Config) -> None:
    """Refuses losses that the method does not have, and options that do not fit."""
    # Late, because it brings JAX.
    from styleflax.training.phases import build_method  # noqa: PLC0415

    for phase in config.phases:
        build_method(config, phase)


def _train(config: Config, workdir: Path, ray: RayFlags | None) -> None:
    # Imported late, so that mistakes in the arguments are answered at once.
    if not config.data.on_device:
        from styleflax.datasets.pipeline import import_grain  # noqa: PLC0415

        import_grain()  # says what is missing
    from styleflax.distributed import joined_processes  # noqa: PLC0415
    from styleflax.training.loop import TrainingDivergedError  # noqa: PLC0415
    from styleflax.training.phases import validate  # noqa: PLC0415

    validate(config)  # before waiting for others
    try:
        if ray is not None:
            from styleflax.training.on_ray import train_on_ray  # noqa: PLC0415

            stopped_by = train_on_ray(
                config, workdir, train_here, **dataclasses.asdict(ray)
            )
        else:
            with joined_processes(config.run):
                stopped_by = train_here(config, workdir)
    except TrainingDivergedError as error:
        print(f"styleflax: {error}", file=sys.stderr)
        sys.exit(EXIT_DIVERGED)
    if stopped_by == signal.SIGINT.name:
        sys.exit(EXIT_INTERRUPTED)


def train_here(
    config: Config, workdir: Path, request: "StopRequest | None" = None
) -> str:
    """The name of the signal that stopped a training in this process; "" if none did.

    The process has joined those that take part.

    Args:
        config: Configuration of the run.
        workdir: Its folder.
        request: To stop, if not by a signal to this process.
    """
    from styleflax.distributed import StopRequest  # noqa: PLC0415
    from styleflax.inference.samples import make_sampler  # noqa: PLC0415
    from styleflax.training.loop import train  # noqa: PLC0415

    request = request or StopRequest()
    scorers: tuple[Any, ...] = ()
    if config.run.score_every_steps:
        from styleflax.evaluation.scoring import make_scorer  # noqa: PLC0415

        scorers = (make_scorer,)
    train(config, workdir, make_sampler, request, *scorers)
    return request.name


def _packaged_configs() -> dict[str, Path]:
    """Configurations by name: in the wheel, or next to the package in a checkout."""
    package = Path(styleflax.__file__).parent
    inside, beside = package / "configs", package.parent / "configs"
    folder = inside if inside.is_dir() else beside
    return {p.stem: p for p in folder.glob("*.py") if p.stem != "__init__"}


def _joined(arguments: Sequence[str]) -> list[str]:
    """Arguments as `--name=value`."""
    joined: list[str] = []
    for argument in arguments:
        waits = joined and _WAITING.fullmatch(joined[-1])
        if waits and not argument.startswith("--"):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return [_SHORT.sub(r"--config.run.\1", argument) for argument in joined]


def _usage(program: str) -> str:
    by_method = (
        f"    {method}: {', '.join(f.name for f in dataclasses.fields(kind))}"
        for method, kind in OPTIONS.items()
    )
    head = USAGE.format(
        program=program,
        names=", ".join(sorted(_packaged_configs())),
        options="\n".join(by_method),
    )
    fields = [f"  --config.{k}={v}" for k, v in flatten(Config()).items()]
    return head + "\n".join(fields)


_RAY_FLAG = re.compile(r"--?(?P<name>launcher|ray\.[^=]*)(=(?P<value>.*))?", re.DOTALL)
_LAUNCHERS = ("jax", "ray")


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
        match = _RAY_FLAG.fullmatch(argument)
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
    return _parse_ray(given), rest


def _parse_ray(given: dict[str, str]) -> RayFlags:
    fields = [(name.removeprefix("ray."), text) for name, text in given.items()]
    flags = override(RayFlags(), fields, "--ray")
    if "ray.num_workers" not in given:
        raise ValueError("--launcher=ray requires --ray.num_workers, for example 2")
    return flags
