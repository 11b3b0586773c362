"""The encoders that go by a name, and what a file of weights is made for."""

from typing import NamedTuple

from styleflax.files import find_url
from styleflax.models.vgg import Architecture, Convention
from styleflax.weights.model_files import packaged_models


class EncoderSpec(NamedTuple):
    """What parameters of an encoder need to be used rightly.

    Attributes:
        architecture: "vgg16" or "vgg19".
        convention: what the first convolution wants to see. "torchvision": RGB minus
            ImageNet's mean over its deviation; "normalised": what the 1x1 convolution
            `preprocess` of Gatys' normalized VGG-19 makes of RGB in [0, 1].
    """

    architecture: Architecture
    convention: Convention


class NamedWeights(NamedTuple):
    """A published file of weights.

    Attributes:
        url: where its publisher keeps it.
        filename: its name in the cache.
        sha256: the first hexadecimal digits of its SHA-256, as many as are known:
            64 pin the file, fewer only guard against a mix-up.
        num_bytes: its size.
    """

    url: str
    filename: str
    sha256: str
    num_bytes: int


DOWNLOADS: dict[str, NamedWeights] = {
    # The URL is the one in torchvision/models/vgg.py (read in pytorch/vision, pull
    # request 107); the eight digits in its name are the first of the SHA-256. All 64
    # digits and the size were read in LibreYOLO/libreyolo's notes on VGG, "Source
    # checkpoints", and in other public repositories, which agree.
    "vgg19": NamedWeights(
        url="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
        filename="vgg19-dcbb9e9d.pth",
        sha256="dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
        num_bytes=574_673_361,
    ),
}

ENCODER_NAMES = ("vgg16", *DOWNLOADS)
"""Encoders as others trained them: "vgg16" comes with the extra `eval`."""


def find_download(name: str) -> NamedWeights:
    """Return the entry of a downloadable file.

    Raises:
        ValueError: no file goes by this name.
    """
    if name not in DOWNLOADS:
        if url := find_url(name):
            raise ValueError(
                f"a URL of weights must begin with https://, http:// or hf://, got "
                f"{url!r}: download it another way and give the file to --weights"
            )
        hint = " (vgg16 comes with the extra eval)" if name == "vgg16" else ""
        if name in packaged_models():
            hint = f" ({name} comes with the package)"
        raise ValueError(
            f"no weights {name!r} to download; there are {', '.join(DOWNLOADS)}{hint}"
        )
    return DOWNLOADS[name]
