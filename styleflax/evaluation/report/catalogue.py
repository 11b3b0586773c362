"""The titles, directions and explanations of metrics in reports."""

from collections.abc import Iterable
from typing import NamedTuple

GRAM_NETWORKS = ("vgg16", "alexnet")
LPIPS_NETWORKS = ("alexnet", "vgg16")
"""Networks in order of preference: the authors recommend AlexNet for measuring."""
HEADLINE = frozenset(
    {*(f"gram_{x}" for x in GRAM_NETWORKS), *(f"lpips_{x}" for x in LPIPS_NETWORKS)}
    | {"ssim"}
)
"""Metrics whose intervals are shown even where space is limited."""

OF_SOME_CONTENTS = frozenset({"gray_patch", "patch_jump"})
"""Metrics that are defined only for contents with a large flat area."""

_TITLES = {"vgg16": "VGG-16", "alexnet": "AlexNet"}


class Metric(NamedTuple):
    """The description of a metric in a report.

    Attributes:
        name: Name in the rows.
        title: Title of its column.
        group: Table that contains it.
        better: "lower", "higher", or "" if neither is better.
        text: Explanation in one line; "" for none.
        is_share: Whether it is 0 or 1 for a pair, so that its mean is a share of pairs.
    """

    name: str
    title: str
    group: str
    better: str
    text: str
    is_share: bool = False


_KNOWN = (
    Metric(
        "gram_vgg16",
        "Gram VGG-16",
        "main",
        "lower",
        "Style error: distance of Gram matrices from the style's, relative to the "
        "style's own norm, mean of four layers of VGG-16, the network that the models "
        "are trained on. 0 is the style itself.",
    ),
    Metric(
        "gram_alexnet",
        "Gram AlexNet",
        "main",
        "lower",
        "The same on five layers of AlexNet, which no model here is trained on.",
    ),
    Metric(
        "lpips_alexnet",
        "LPIPS AlexNet",
        "main",
        "lower",
        "Content error: perceptual distance from the content. 0 is the content itself.",
    ),
    Metric(
        "lpips_vgg16",
        "LPIPS VGG-16",
        "main",
        "lower",
        "The same by VGG-16.",
    ),
    Metric(
        "ssim",
        "SSIM",
        "main",
        "higher",
        "Structural similarity of luminance with the content; 1 is the content.",
    ),
    Metric(
        "ms_ssim",
        "MS-SSIM",
        "main",
        "higher",
        "The same over five scales; it needs sides of 176 px or more.",
    ),
    Metric(
        "cfsd",
        "CFSD",
        "main",
        "lower",
        "Divergence, in nats, of the self-similarity of the result's features from "
        "that of the content's; comparable only between images of one size.",
    ),
    Metric(
        "lab_distance",
        "Lab histogram",
        "main",
        "lower",
        "Hellinger distance of the colors' histogram in CIELAB from the style's, "
        "0 to 1.",
    ),
    Metric(
        "color",
        "color",
        "main",
        "lower",
        "Distance of the colors from the style's: mean over L, a and b of half the L1 "
        "distance of their histograms of 32 bins, 0 to 1.",
    ),
    Metric(
        "content_loss",
        "content loss",
        "main",
        "",
        "The training loss; not comparable between methods.",
    ),
    Metric(
        "style_loss",
        "style loss",
        "main",
        "",
        "The training loss; not comparable between methods.",
    ),
    Metric(
        "blobs",
        "blobs",
        "artifacts",
        "lower",
        "Share of the pairs with bright spots that neither input has.",
        True,
    ),
    Metric(
        "checkerboard",
        "checkerboard",
        "artifacts",
        "lower",
        "Share of the pairs with a regular grid that neither input has.",
        True,
    ),
    Metric(
        "border",
        "border",
        "artifacts",
        "lower",
        "Share of the pairs whose sides are colored differently than in both inputs.",
        True,
    ),
    Metric(
        "gray_patch",
        "gray patch",
        "artifacts",
        "lower",
        "Share of pairs with a sudden change of color at a constant distance from the "
        "border of a large flat area, among contents that have one.",
        True,
    ),
    Metric(
        "num_blobs",
        "number of blobs",
        "artifacts",
        "lower",
        "Mean over the pairs.",
    ),
    Metric(
        "blob_area",
        "blobs' area",
        "artifacts",
        "lower",
        "Share of the image that blobs cover.",
    ),
    Metric(
        "checkerboard_excess",
        "grid (dB)",
        "artifacts",
        "lower",
        "How far a grid stands out of the spectrum, above what the inputs have.",
    ),
    Metric(
        "ripples",
        "ripples",
        "artifacts",
        "lower",
        "Squared log of the power that neither input has, at periods below 9 px: "
        "regular fine patterns and hard edges.",
    ),
    Metric(
        "border_excess",
        "border difference",
        "artifacts",
        "lower",
        "How far the sides differ from what lies inside, above what the inputs have.",
    ),
    Metric(
        "patch_jump",
        "patch jump",
        "artifacts",
        "lower",
        "Largest jump of the color inside a flat area, in units of CIELAB; mean over "
        "the pairs whose content has a flat area.",
    ),
    Metric(
        "psnr",
        "PSNR (dB)",
        "identity",
        "higher",
        "Fidelity of a content that is stylized with itself.",
    ),
    Metric(
        "seconds",
        "seconds",
        "speed",
        "lower",
        "Time to stylize one image once the program is compiled.",
    ),
    Metric(
        "peak_mb",
        "process peak MB",
        "speed",
        "lower",
        "Most memory that the evaluation's process had in use, networks that measure "
        "included: of the device, or resident where there is none.",
    ),
    Metric(
        "fid",
        "FID",
        "set",
        "lower",
        "Fréchet distance of Inception features between all pictures and the styles.",
    ),
    Metric(
        "art_fid",
        "ArtFID",
        "set",
        "lower",
        "(1 + FID) times (1 + LPIPS), with the Inception network of ArtFID.",
    ),
)
_BY_NAME = {metric.name: metric for metric in _KNOWN}

GROUPS = ("main", "layers", "artifacts", "identity", "speed", "set", "other")
_ARTEFACTS = ("blob", "checkerboard", "border")


def describe_metric(name: str) -> Metric:
    """Returns the description of a metric; an unknown one keeps its name."""
    if name in _BY_NAME:
        return _BY_NAME[name]
    for network in GRAM_NETWORKS:
        prefix = f"gram_{network}_"
        if name.startswith(prefix):
            title = f"{_TITLES[network]} {name.removeprefix(prefix)}"
            return Metric(name, title, "layers", "lower", "Gram distance of one layer.")
    group = "artifacts" if name.startswith(_ARTEFACTS) else "other"
    better = "lower" if group == "artifacts" else ""
    return Metric(name, name.replace("_", " "), group, better, "")


def order_metrics(names: Iterable[str]) -> list[str]:
    """Returns the distinct names: known ones in the order above, then others sorted."""
    place = {metric.name: i for i, metric in enumerate(_KNOWN)}

    def order(name: str) -> tuple[int, int, str]:
        networks = [name.startswith(f"gram_{network}_") for network in GRAM_NETWORKS]
        last = len(networks)
        network = networks.index(True) if any(networks) else last
        return place.get(name, len(place)), network, name

    return sorted(set(names), key=order)


def network_title(network: str) -> str:
    """Returns the written form of a network's name, for example "VGG-16"."""
    return _TITLES.get(network, network)
