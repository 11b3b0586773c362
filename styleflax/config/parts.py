"""A run's configuration: its fields, and the one way into them from outside.

First the terms of a training loss: plain names, and style losses with settings. Then
the fields. Then what reads and writes all of them: flags, and the JSON of workdirs.

    config = override(config, [("phases[0].steps", "100"), ("options.width", "0.5")])
    config = from_json(path.read_text())

Both make a tree of plain values, which `options.read_record` turns into records, each
value checked against its field's annotation. Options of model files pass through the
same check: `options.read_options`. The file is long because a field's path on the
command line is its place in these records.
"""

import dataclasses
import difflib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, get_args, get_origin

from styleflax.config.options import (
    OPTIONS,
    Arithmetic,
    Options,
    Text,
    field_types,
    read_options,
    read_record,
)

Record = TypeVar("Record")
_NUMBER = re.compile(r"(?P<loss>.+)_(?P<name>offset|gamma)(?P<value>\d+(\.\d+)?)")
_PATH = re.compile(r"(?P<field>\w+)(\[(?P<index>\d+)\])?(\.(?P<rest>.+))?", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class StyleTerm:
    """A style loss with settings of its own, as a key among a phase's `losses`.

        losses={"content": 1.0, StyleTerm("gram", layers=("relu3_1",)): 2.0}

    Its text is the term's name on the command line, in JSON and in metrics:
    `gram@relu3_1`, `mmd_gaussian_gamma2@relu3_1+relu4_1`.

    Attributes:
        loss: A name in `losses.perceptual.STYLE_LOSSES`, or `adversarial`.
        layers: Layers that are compared; () for the loss's or the method's own.
        offset: Offset of a polynomial kernel; None for the default.
        gamma: Inverse bandwidth of a Gaussian kernel; None for the default.
    """

    loss: str
    layers: tuple[str, ...] = ()
    offset: float | None = None
    gamma: float | None = None

    def __str__(self) -> str:
        at = f"@{'+'.join(self.layers)}" if self.layers else ""
        return f"{self.unplaced()}{at}"

    def unplaced(self) -> str:
        """The name without layers, such as `mmd_gaussian_gamma2`."""
        numbers = {"offset": self.offset, "gamma": self.gamma}
        return self.loss + "".join(
            f"_{name}{_plain(value)}"
            for name, value in numbers.items()
            if value is not None
        )

    @classmethod
    def parse(cls, text: str) -> "StyleTerm":
        """The term of a text; a plain name gives one without settings."""
        name, at, layers = text.partition("@")
        placed = tuple(layers.split("+")) if at else ()
        if match := _NUMBER.fullmatch(name):
            return cls(match["loss"], placed, **{match["name"]: float(match["value"])})
        return cls(name, placed)


Term = str | StyleTerm
"""A plain name (`content`, `gram`), or a style loss with settings."""
Losses = Mapping[Term, float] | Mapping[str, float]
"""Weights by term; the second for those of plain names alone."""


def read_term(term: Term) -> Term:
    """The term with its settings as a record, which plain names do not need.

    >>> read_term("gram")
    'gram'
    >>> read_term("gram@relu3_1").layers
    ('relu3_1',)
    """
    if isinstance(term, StyleTerm):
        return term
    record = StyleTerm.parse(term)
    return term if record == StyleTerm(term) else record


def _plain(value: float) -> str:
    """Digits without an exponent and without needless zeros."""
    text = f"{value:.12f}".rstrip("0")
    return text.rstrip(".")


@dataclasses.dataclass
class Encoder:
    """The frozen feature extractor.

    Attributes:
        weights: A packaged model's; `vgg16` (extra `eval`); `vgg19`, fetched; a file;
            or `random`, for tests and experiments: a VGG-16 of the width that the
            method's options give.
        statistic: Statistic of each filter's activations, scaled to 1: `rms`, `mean`,
            `none`, or `auto`: `none` for a trained model's encoder, else `rms`.
        num_images: Training pictures over which that is measured.
        deepest_scale: Factor of the deepest layer's activations, where they are not
            those of a trained model. SANet adds relu5_1 to relu4_1, and begins
            better where relu5_1 is small.
    """

    weights: str = "adain"
    statistic: str = "auto"
    num_images: int = 64
    deepest_scale: float = 1.0


@dataclasses.dataclass
class Schedule:
    """Learning rate over the steps of a phase.

    Attributes:
        kind: `inverse`: rate / (1 + decay * step), the published recipes';
            `cosine`: a cosine to 0 at the phase's end; `steps`: the rate times
            `decay` after every `every_steps` (Ulyanov et al.'s published code).
        learning_rate: Its highest value.
        decay: Decay of `inverse`, per step; of `steps`, a factor.
        warmup_steps: Linear, before each kind.
        every_steps: Number of steps between changes of the rate, for `steps`.
    """

    kind: str = "inverse"
    learning_rate: float = 1e-4
    decay: float = 5e-5
    warmup_steps: int = 0
    every_steps: int = 0


def _paper_losses() -> dict[Term, float]:
    return {"content": 1.0, "style": 10.0}


@dataclasses.dataclass
class Phase:
    """A stretch of training with its own pictures, losses and schedule.

    Attributes:
        steps: Its length.
        batch_size: Content-style pairs in a step, over all processes and devices.
        crop_px: Side of the square crops.
        resize_px: Short side that pictures are resized to before cropping.
        losses: Weights by term of the method: names, and `StyleTerm` for style losses
            at layers of their own. Names such as `gram@relu3_1` become such records.
        schedule: Learning rate.
        color_match: Strength of the color step before the losses judge a picture, 0 to
            1; only `adain` has it.
    """

    steps: int = 160_000
    batch_size: int = 8
    crop_px: int = 256
    resize_px: int = 512
    losses: dict[Term, float] = dataclasses.field(default_factory=_paper_losses)
    schedule: Schedule = dataclasses.field(default_factory=Schedule)
    color_match: float = 0.0

    def __post_init__(self) -> None:
        self.losses = {read_term(term): w for term, w in self.losses.items()}


@dataclasses.dataclass
class Data:
    """Where pictures come from.

    Attributes:
        content: `image_folder:PATH`, `coco_images:train2014`, ... joined by `+`.
        style: The same; also `wikiart` and `procedural_art`. Of johnson and cin
            `pictures:PATH`, a file or a folder: their styles, in the order of names.
        data_dir: Prepared data sets; empty for the user's cache folder.
        manual_dir: Archives that were downloaded by hand.
        flip: Mirror half of all crops.
        style_px: Above 0, styles are always seen as their middle squares at this
            side, with their places in the source; 0 crops them like contents.
        on_device: Decode all pictures once and hold them on the device, where crops
            are cut: for accelerators. See `training.device_dataset`.
        validation_share: Share of the pictures that are never trained on, chosen by
            the hash of their file names; 0 for none. See `datasets.manifest`.
        validation_salt: Another text chooses other pictures.
        validation_names: Beginnings of the names that may be chosen, perhaps with
            ranges of numbers, as in `content_[1239-],style_[705-]`; empty for all.
    """

    content: str = "sample_photos"
    style: str = "procedural_art"
    data_dir: str = ""
    manual_dir: str = ""
    flip: bool = True
    style_px: int = 0
    on_device: bool = False
    validation_share: float = 0.0
    validation_salt: str = ""
    validation_names: str = ""


@dataclasses.dataclass
class Optimizer:
    """How gradients become steps.

    Attributes:
        kind: `adam`, or `muon` (Jordan 2024): steps of kernels are orthogonal
            matrices, those of biases and of the image's kernel are Adam's.
        beta1: Decay of Adam's mean of gradients; that of Muon is 0.95.
        beta2: Decay of their mean square.
        clip_norm: Gradients are clipped to this global norm; 0 for not at all.
        ema: Decay of a running average of the weights, such as 0.999, which samples,
            validation and exports then show; 0 for none.
        accumulate_steps: Parts that a batch is computed in, one after another.
        max_nonfinite_steps: Number of skipped steps in a row (loss or gradient not
            finite) stop training.
    """

    kind: str = "adam"
    beta1: float = 0.9
    beta2: float = 0.999
    clip_norm: float = 1.0
    ema: float = 0.0
    accumulate_steps: int = 1
    max_nonfinite_steps: int = 10


@dataclasses.dataclass
class Run:
    """How a run is carried out; nothing here changes its result.

    Attributes:
        coordinator: `HOST:PORT` of the first of several processes; with it go
            `num_processes` and `process_id`, from 0.
        distributed: `auto` asks Slurm, Open MPI, GKE or Cloud TPU, if there.
        connect_timeout_s: How long processes wait for one another at first.
        heartbeat_timeout_s: Silence after which a process counts as dead.
        parallel: `pmap` or `shard_map`.
        num_devices: Devices to use in every process; 0 for all.
        deterministic: Ask XLA for reproducible GPU kernels (slower).
        remat: Spare memory by computing the loss's encoder twice.
        num_workers: Processes that decode pictures; 0 decodes in threads.
        num_threads: Threads that read ahead.
        log_every_steps: Log metrics every this many steps.
        checkpoint_every_steps: Write a checkpoint every this many steps.
        keep_checkpoints: Newest ones kept.
        sample_every_steps: Write a grid of samples every this many steps; 0 for never.
        num_samples: Contents and styles in that grid.
        score_every_steps: Score validation images every this many steps; 0 for
            never. The numbers go to metrics.jsonl, with `val_` before their names.
        num_scored: Pairs that are scored, the same ones every time.
        score_px: Side of the middle squares that are scored.
        best_by: Numbers, joined by `+`, whose sum decides which weights are kept as
            `best.safetensors`: the lowest. Without the extra `eval`, `loss` remains.
        tensorboard: Also write TensorBoard files, if tensorboardX is there.
    """

    coordinator: str = ""
    num_processes: int = 0
    process_id: int = -1
    distributed: str = ""
    connect_timeout_s: int = 300
    heartbeat_timeout_s: int = 15
    parallel: str = "pmap"
    num_devices: int = 0
    deterministic: bool = False
    remat: bool = False
    num_workers: int = 0
    num_threads: int = 2
    log_every_steps: int = 10
    checkpoint_every_steps: int = 250
    keep_checkpoints: int = 3
    sample_every_steps: int = 500
    num_samples: int = 4
    score_every_steps: int = 0
    num_scored: int = 16
    score_px: int = 256
    best_by: str = "gram+lpips"
    tensorboard: bool = True


@dataclasses.dataclass
class Config:
    """Everything that defines a run.

    Attributes:
        method: A name in `styleflax.methods.METHODS`.
        seed: Seed of parameters and of the order of pictures.
        decoder: Start of the decoder: `random`, or `inverse` of the encoder
            (`models.inversion`).
        init_from: File or name of a model whose encoder and trained parts the run
            starts from.
        compute_dtype: `float32` or `bfloat16`, for features only; everything else is
            float32.
        options: The method's record of options, such as `SANetOptions`, or values by
            name; None for a method without one.
        phases: Run one after another.

    Raises:
        ValueError: If an option is unknown to the method, or has an impossible value.
    """

    method: str = "adain"
    seed: int = 0
    decoder: str = "random"
    init_from: str = ""
    compute_dtype: str = "float32"
    options: Options | Mapping[str, Any] | None = None
    arithmetic: Arithmetic = dataclasses.field(default_factory=Arithmetic)
    encoder: Encoder = dataclasses.field(default_factory=Encoder)
    data: Data = dataclasses.field(default_factory=Data)
    phases: tuple[Phase, ...] = dataclasses.field(default_factory=lambda: (Phase(),))
    optimizer: Optimizer = dataclasses.field(default_factory=Optimizer)
    run: Run = dataclasses.field(default_factory=Run)

    def __post_init__(self) -> None:
        kind = OPTIONS.get(self.method, type(None))
        if isinstance(self.options, Options) and type(self.options) is not kind:
            # `dataclasses.replace(config, method=...)`: what differs from the defaults.
            self.options = self.options.chosen()
        if not isinstance(self.options, Options):
            self.options = read_options(self.method, self.options or {})

    def record_of_options(self) -> Options | None:
        """`options`, which may be given as values by name, as the method's record."""
        assert not isinstance(self.options, Mapping)  # since `__post_init__`
        return self.options


def override(record: Record, values: Iterable[tuple[str, str]], flag: str) -> Record:
    """A record with some fields set from texts, as the command line gives them.

    Lists are JSON or Python literals; words need no quotes.

    Args:
        record: A configuration, or another dataclass.
        values: Paths of fields, such as `phases[0].losses.gram@relu3_1`, and texts.
        flag: What stands before a path on the command line, such as `--config`.

    Raises:
        ValueError: If there is no such field, or a text is not of its type.
    """
    tree = to_tree(record)
    if isinstance(options := getattr(record, "options", None), Options):
        tree["options"] = options.chosen()  # the method may change
    for path, text in values:
        if not _assign(tree, type(record), path, Text(text)):
            close = difflib.get_close_matches(path, _flatten(to_tree(record)), 3)
            hint = f"; close to it are {', '.join(close)}" if close else ""
            raise ValueError(f"{flag} has no field {path!r}{hint}")
    return read_record(type(record), tree, f"{flag}.")


def _assign(tree: dict[str, Any], kind: type, path: str, text: Text) -> bool:
    """Writes a text to its place in the tree; whether there is such a field."""
    match, kinds = _PATH.fullmatch(path), field_types(kind)
    if match is None or match["field"] not in kinds:
        return False
    field, index, rest = match["field"], match["index"], match["rest"]
    holder: Any = tree
    key: Any = field
    kind = kinds[field]
    if index is not None:
        items = tree[field]
        if not isinstance(items, list) or int(index) >= len(items):
            return False
        kind, holder, key = get_args(kind)[0], items, int(index)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return bool(rest) and _assign(holder[key], kind, rest, text)
    if get_origin(kind) is dict or Options in get_args(kind):
        if rest:
            holder[key] = {**(holder[key] or {}), rest: text}
        return bool(rest)
    if rest or index is not None:
        return False
    holder[key] = text
    return _is_leaf(kind)


def _is_leaf(kind: Any) -> bool:
    parts = get_args(kind)
    return not any(dataclasses.is_dataclass(part) for part in parts)


def to_tree(value: Any) -> Any:
    """Plain values as JSON has them: records as dicts, tuples as lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, StyleTerm):
        fields = dataclasses.fields(value)
        return {field.name: to_tree(getattr(value, field.name)) for field in fields}
    if isinstance(value, Mapping):
        return {str(key): to_tree(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_tree(item) for item in value]
    return value


def flatten(config: Config | Mapping[str, Any]) -> dict[str, Any]:
    """Values by dotted name: `phases[0].steps`, `run.parallel`, ...

    Args:
        config: A configuration, or the tree that its JSON text holds.
    """
    return _flatten(to_tree(config))


def _flatten(tree: Any) -> dict[str, Any]:
    flat: dict[str, Any] = {}

    def visit(name: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, item in value.items():
                visit(f"{name}.{key}" if name else key, item)
        elif isinstance(value, list):
            for i, item in enumerate(value):
                visit(f"{name}[{i}]", item)
        else:
            flat[name] = value

    visit("", tree)
    return flat


def from_json(text: str) -> Config:
    """The configuration of a JSON text; fields that it lacks have their defaults.

    Raises:
        ValueError: If it is no JSON, or a field is unknown or of another type.
    """
    tree = json.loads(text)
    if not isinstance(tree, dict):
        raise ValueError(f"the configuration must be an object, got {tree!r:.40}")  # noqa: TRY004
    if missing := sorted({"method", "phases"} - tree.keys()):
        raise ValueError(f"the configuration lacks {', '.join(missing)}")
    return read_record(Config, tree, "")


def to_json(config: Config) -> str:
    """The whole configuration as JSON text."""
    return json.dumps(to_tree(config), indent=2) + "\n"
