"""The ONNX graphs of each method, and the meaning of their inputs."""

import inspect
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import numpy as np

from styleflax.config import CINOptions, SANetOptions
from styleflax.config.options import StyleDType
from styleflax.export import networks
from styleflax.export.graph import Graph
from styleflax.export.storage import Storage
from styleflax.export.transfers import (
    Mix,
    attend,
    content_statistics,
    masks_input,
    rescale_regions,
    style_statistics,
)
from styleflax.methods.cin import NETWORK, STYLES, make_network
from styleflax.models.lite import LEVELS
from styleflax.models.transformer_net import EPS, TransformerNet
from styleflax.types import Params
from styleflax.weights.store import ModelFile

StyleKind = Literal["moments", "features", "own"]
"""The form of an encoded painting: its moments at every level, or all of its features;
networks of kind `own` have built-in styles and accept no paintings."""


class Level(NamedTuple):
    """A feature map that the encoder returns and the decoder takes.

    Attributes:
        name: Name of the layer.
        channels: Number of channels.
        stride: Pixels per position along each side.
    """

    name: str
    channels: int
    stride: int


class Grid(NamedTuple):
    """A grid of averaged masks, whose sides are `repeat * ceil(px / stride)`."""

    name: str
    stride: int
    repeat: int = 1


class Graphs(NamedTuple):
    """The graphs of a method.

    Attributes:
        files: Graphs by the name of their file.
        style: Form of an encoded painting.
        levels: Feature maps that the encoder returns.
        grids: Grids of the decoder's inputs for masks.
        style_dtype: Type of an encoded painting's features.
    """

    files: dict[str, Graph]
    style: StyleKind
    levels: tuple[Level, ...] = ()
    grids: tuple[Grid, ...] = ()
    style_dtype: StyleDType = "float32"


def write_graphs(file: ModelFile, storage: Storage) -> Graphs:
    """Returns the graphs of a model.

    Args:
        file: The loaded model file.
        storage: Storage type of weights: float32, float16 or int8.

    Raises:
        ValueError: If the method cannot be exported, or the storage is unknown.
    """
    if file.method not in _WRITERS:
        raise ValueError(
            f"method must be one of {sorted(_WRITERS)} to be exported, got "
            f"{file.method!r}"
        )
    return _WRITERS[file.method](file, storage)


def _write_adain(file: ModelFile, storage: Storage) -> Graphs:
    own, layer = file.players["model"], "relu4_1"
    levels = (Level(layer, _channels(file.encoder_params["conv4_1"]), 8),)

    def encode(g: Graph, image: str) -> networks.Maps:
        return networks.vgg(g, file.encoder_params, (layer,), image)

    def decode(g: Graph, moved: networks.Maps) -> str:
        return networks.decoder(g, own, moved[layer])

    return _rescaling_graphs(storage, levels, encode, decode)


def _write_lite(file: ModelFile, storage: Storage) -> Graphs:
    own = file.players["model"]
    levels = tuple(
        Level(name, _channels(own["encoder"][f"{name}_down"]), stride)
        for name, stride in zip(LEVELS, (4, 8), strict=True)
    )

    def encode(g: Graph, image: str) -> networks.Maps:
        return networks.lite_encoder(g, own["encoder"], image)

    def decode(g: Graph, moved: networks.Maps) -> str:
        return networks.lite_decoder(g, own["decoder"], moved)

    return _rescaling_graphs(storage, levels, encode, decode)


def _rescaling_graphs(
    storage: Storage,
    levels: tuple[Level, ...],
    encode: Callable[[Graph, str], networks.Maps],
    decode: Callable[[Graph, networks.Maps], str],
) -> Graphs:
    """Returns the graphs of methods that match the moments of every level."""
    g = Graph(storage)
    features = {level: _feature_input(g, level) for level in levels}
    mix = Mix(g.input("weights", ("r", "s")), g.input("strength", ("r",)))
    moved = {}
    for level, feature in features.items():
        named = (level.name, level.channels)
        moments = content_statistics(g, *named), style_statistics(g, *named)
        masks = masks_input(g, level.name)
        moved[level.name] = rescale_regions(g, feature, *moments, mix, masks)
    _image_output(g, decode(g, moved), "image")
    files = {"encoder": _encoder_graph(storage, levels, encode), "decoder": g}
    return Graphs(files, "moments", levels, _grids(levels))


def _write_sanet(file: ModelFile, storage: Storage) -> Graphs:
    own = file.players["model"]
    channels = _channels(file.encoder_params["conv5_1"])
    levels = (Level("relu4_1", channels, 8), Level("relu5_1", channels, 16))

    def encode(g: Graph, image: str) -> networks.Maps:
        names = tuple(level.name for level in levels)
        # The softmax of queries and keys amplifies rounding errors of the weights.
        return networks.vgg(g, file.encoder_params, names, image, sensitive="conv4_1")

    g = Graph(storage)
    features = {level: _feature_input(g, level) for level in levels}
    mix = Mix(g.input("weights", ("r", "s")))
    balance = g.input("level_balance", (1,))
    shares = (g.add("Sub", g.numbers(1.0), balance), balance)
    maps = []
    for (level, feature), share in zip(features.items(), shares, strict=True):
        params = own[level.name.replace("relu", "sanet")]
        found = attend(g, params, feature, level.name, channels, mix)
        factor = g.add("Mul", g.numbers(2.0), share)
        maps.append(g.add("Add", feature, g.add("Mul", factor, found)))
    coarse = g.cut_like(g.enlarge(maps[1]), maps[0])
    merged = g.reflect_conv(g.add("Add", maps[0], coarse), own["merge_conv"])
    _image_output(g, networks.decoder(g, own, merged), "image")
    files = {"encoder": _encoder_graph(storage, levels, encode), "decoder": g}
    style_dtype = SANetOptions(**file.options).style_dtype
    return Graphs(files, "features", levels, _grids(levels), style_dtype)


def _write_johnson(file: ModelFile, storage: Storage) -> Graphs:
    own = file.players["model"]
    known = inspect.signature(TransformerNet).parameters
    net = TransformerNet(**{k: v for k, v in file.options.items() if k in known})
    g = Graph(storage)

    def normalize(layer: str, x: str) -> str:
        name = f"{layer}_norm"
        affine = [g.numbers(own[name][key]) for key in ("scale", "bias")]
        if net.norm == "instance":
            return g.add("InstanceNormalization", x, *affine, epsilon=EPS)
        moments = [g.numbers(file.state[name][key]) for key in ("mean", "var")]
        return g.add("BatchNormalization", x, *affine, *moments, epsilon=EPS)

    image = _image_input(g)
    _image_output(
        g, networks.transformer_net(g, net, own, image, normalize), "stylized"
    )
    return Graphs({"stylize": g}, "own")


_CIN_GRIDS = (
    *(Grid("conv1", 1), Grid("conv2", 2), Grid("conv3", 4)),
    *(Grid("up1", 4, 2), Grid("up2", 4, 4)),
)
"""Grids of all sizes of maps in the network of `cin`, each named after its first layer.
An odd side is rounded up when it is halved and doubled afterwards."""


def _write_cin(file: ModelFile, storage: Storage) -> Graphs:
    params, tables = (file.players["model"][key] for key in (NETWORK, STYLES))
    net = make_network(CINOptions(**file.options), None, "float32")
    g = Graph(storage)
    image = _image_input(g)
    weights = g.input("weights", ("r", "styles"))
    masks = {grid.name: masks_input(g, grid.name) for grid in _CIN_GRIDS}

    def normalize(layer: str, x: str) -> str:
        channels = _channels(params[layer])
        ones = g.numbers(np.ones(channels)), g.numbers(np.zeros(channels))
        x = g.add("InstanceNormalization", x, *ones, epsilon=EPS)
        rows = (
            g.add("MatMul", weights, g.numbers(tables[layer][key]))
            for key in ("gamma", "beta")
        )
        grid = masks[_cin_grid(layer)]
        gamma, beta = (g.spread(g.unsqueeze(row, 0), grid) for row in rows)
        return g.add("Add", g.add("Mul", x, gamma), beta)

    drawn = networks.transformer_net(g, net, params, image, normalize)
    _image_output(g, drawn, "stylized")
    return Graphs({"stylize": g}, "own", grids=_CIN_GRIDS)


def _cin_grid(layer: str) -> str:
    if layer.startswith("residual"):
        return "conv3"
    return "up2" if layer == "conv_out" else layer


def _encoder_graph(
    storage: Storage,
    levels: tuple[Level, ...],
    encode: Callable[[Graph, str], networks.Maps],
) -> Graph:
    g = Graph(storage)
    features = encode(g, _image_input(g))
    for level in levels:
        g.output(features[level.name], *_feature_of(level))
    return g


def _feature_of(level: Level) -> tuple[str, tuple[str | int, ...]]:
    """Returns the name and shape of a level's features in both files."""
    sides = f"{level.name}_h", f"{level.name}_w"
    return f"features.{level.name}", ("b", level.channels, *sides)


def _feature_input(g: Graph, level: Level) -> str:
    return g.input(*_feature_of(level))


def _image_input(g: Graph) -> str:
    return g.channels_first(g.input("image", ("b", "h", "w", 3)))


def _image_output(g: Graph, image: str, name: str) -> None:
    g.output(g.channels_last(image), name, ("b", "out_h", "out_w", 3))


def _grids(levels: tuple[Level, ...]) -> tuple[Grid, ...]:
    return tuple(Grid(level.name, level.stride) for level in levels)


def _channels(params: Params) -> int:
    return int(np.asarray(params["kernel"]).shape[-1])


_WRITERS: Mapping[str, Callable[[ModelFile, Storage], Graphs]] = {
    "adain": _write_adain,
    "lite": _write_lite,
    "sanet": _write_sanet,
    "johnson": _write_johnson,
    "cin": _write_cin,
}
