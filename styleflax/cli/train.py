"""What `train.py` and `styleflax train` do."""

import dataclasses
import difflib
import logging
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags
from ml_collections import config_flags
from tqdm.contrib.logging import logging_redirect_tqdm

import styleflax
from styleflax.cli.errors import EXIT_INTERRUPTED, describe_error, one_line_errors
from styleflax.cli.loss_flags import add_losses, split_new_losses
from styleflax.cli.option_flags import check_method, set_options, split_options
from styleflax.cli.ray_flags import RayFlags, split_ray
from styleflax.config import Config, flatten
from styleflax.datasets.sources import split_spec
from styleflax.inference.folders.outputs import check_out_folder, check_outside

if TYPE_CHECKING:
    from styleflax.distributed.signals import StopRequest

USAGE = """\
usage: {program} --config=FILE --workdir=DIR [--config.FIELD=VALUE ...]

  --config   configuration file, or the name of a packaged one: {names}
  --workdir  folder of the run; an interrupted run continues there

On several hosts, the same in each process but for the last flag:
  --coordinator    HOST:PORT of process 0
  --num_processes  number of processes
  --process_id     number of this process, from 0
or --config.run.distributed=auto under Slurm, Open MPI, GKE or on Cloud TPU.

On a Ray cluster, once, on any of its nodes:
  --launcher             ray; default: jax
  --ray.num_workers      number of processes; each gets a share of every batch
  --ray.address          HOST:PORT or auto; default: start a cluster on this machine
  --ray.gpus_per_worker  GPUs per process; default: 1 if the cluster has any
  --ray.max_failures     number of restarts after a worker dies; default: 3

Options of the method (JSON, Python literals or plain words) and losses by name:
  --config.options.NAME=VALUE
  --config.phases[I].losses.NAME=WEIGHT

Fields and their defaults (a configuration file may change them):
"""
EXIT_DIVERGED = 3
_FIELD = re.compile(r"--?(no)?config\.(?P<field>[^=]+)")
_SHORT = re.compile(r"--?(coordinator|num_processes|process_id)(?==|$)")
"""Flags that stand for fields of `config.run`."""
_WAITING = re.compile(
    r"--?(workdir|coordinator|num_processes|process_id|config(\.[^=]+)?)"
)
"""A flag whose value is the next argument."""


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
    options, resolved = split_options(_with_resolved_config(arguments))
    plain = [argument for argument in resolved if not _FIELD.match(argument)]
    config, workdir = _parse_flags(plain)
    fields = flatten(config)
    losses, resolved = split_new_losses(resolved, list(fields))
    for match in filter(None, map(_FIELD.match, resolved)):
        if match["field"] not in fields:
            close = difflib.get_close_matches(match["field"], fields, 3)
            hint = f"; close to it are {', '.join(close)}" if close else ""
            raise ValueError(f"--config has no field {match['field']!r}{hint}")
    if len(plain) < len(resolved):
        config, workdir = _parse_flags(resolved)
    set_options(config, options)
    add_losses(config, losses)
    if options or losses:
        check_method(config)
    return config, workdir


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


def _parse_flags(arguments: Sequence[str]) -> tuple[Config, Path]:
    argv = ["train", *arguments]
    values = flags.FlagValues()
    # ml_collections loads files as a module of this name, over what it held before.
    sys.modules.pop("config_config", None)
    config_flags.DEFINE_config_file(
        "config", None, "Configuration.", flag_values=values, sys_argv=argv
    )
    flags.DEFINE_string("workdir", None, "Folder of the run.", flag_values=values)
    try:
        _, *unexpected = values(argv)
    except Exception as error:  # a configuration file may raise anything
        raise ValueError(_describe_refusal(error)) from error
    if unexpected:
        raise ValueError(f"unexpected argument {unexpected[0]!r}; see --help")
    for name, example in (("config", "configs/adain.py"), ("workdir", "runs/adain")):
        if values[name].value in (None, ""):
            raise ValueError(f"--{name} is missing; for example --{name}={example}")
    config = values["config"].value
    if not isinstance(config, Config):
        raise ValueError("get_config() of --config must return a styleflax Config")  # noqa: TRY004
    workdir = Path(values["workdir"].value)
    _check_workdir(workdir, config)
    return config, workdir


def _check_workdir(workdir: Path, config: Config) -> None:
    """Refuses a new folder that is a file's name, or whose samples would be data."""
    check_out_folder(workdir, "--workdir")
    if (workdir / "config.json").is_file():
        return
    specs = [*split_spec(config.data.content), *split_spec(config.data.style)]
    pairs = (spec.partition(":") for spec in specs)
    folders = [Path(path).expanduser() for _, colon, path in pairs if colon]
    check_outside(workdir, folders, "--workdir")


def _train(config: Config, workdir: Path, ray: RayFlags | None) -> None:
    # Imported late, so that mistakes in the arguments are answered at once.
    if not config.data.on_device:
        import styleflax.datasets.pipeline  # noqa: F401, PLC0415  (says what is missing)
    from styleflax.distributed.hosts import joined_processes  # noqa: PLC0415
    from styleflax.training.loop import TrainingDivergedError  # noqa: PLC0415
    from styleflax.training.validation import validate  # noqa: PLC0415

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
        config: Of the run.
        workdir: Its folder.
        request: To stop, if not by a signal to this process.
    """
    from styleflax.distributed.signals import StopRequest  # noqa: PLC0415
    from styleflax.inference.samples import make_sampler  # noqa: PLC0415
    from styleflax.training import loop  # noqa: PLC0415

    if request is None:  # it is false until a signal has come
        request = StopRequest()
    scorers: tuple[Any, ...] = ()
    if config.run.score_every_steps:
        from styleflax.evaluation.scoring import make_scorer  # noqa: PLC0415

        scorers = (make_scorer,)
    loop.train(config, workdir, make_sampler, request, *scorers)
    return request.name


def _packaged_configs() -> dict[str, Path]:
    """Configurations by name: inside the wheel, or beside the package in a checkout."""
    package = Path(styleflax.__file__).parent
    inside, beside = package / "configs", package.parent / "configs"
    folder = inside if inside.is_dir() else beside
    return {p.stem: p for p in folder.glob("*.py") if p.stem != "__init__"}


def _with_resolved_config(arguments: Sequence[str]) -> list[str]:
    """Arguments as `--name=value`, with the path of the configuration."""
    joined: list[str] = []
    for argument in arguments:
        waits = joined and _WAITING.fullmatch(joined[-1])
        if waits and not argument.startswith("--"):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    for i, argument in enumerate(joined):
        joined[i] = _SHORT.sub(r"--config.run.\1", argument)
        name, equals, spec = argument.partition("=")
        if argument.lstrip("-") in ("config", "workdir"):
            raise ValueError(f"{argument} needs a value; see --help")
        if name in ("--config", "-config") and equals:
            joined[i] = f"{name}={resolve_config(spec)}"
    return joined


def _describe_refusal(error: Exception) -> str:
    """What was wrong with a flag, without the traceback that the parser adds."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if any("Traceback" in line for line in lines):
        return f"--config: {lines[-1]}"
    if isinstance(error, flags.Error):
        return describe_error(error)
    text = error.args[0] if isinstance(error, KeyError) and error.args else error
    return f"--config: {type(error).__name__}: {text}"


def _usage(program: str) -> str:
    head = USAGE.format(program=program, names=", ".join(sorted(_packaged_configs())))
    fields = [f"  --config.{k}={v}" for k, v in flatten(Config()).items()]
    return head + "\n".join(fields)
