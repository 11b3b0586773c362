"""Weights that others publish: by a name, by a URL on a server or on the Hub."""

import hashlib
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from styleflax.files import find_url
from styleflax.weights.store import packaged_models


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
        ValueError: If no file goes by this name.
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


FOLDER = "remote"
"""Folder of the cache that holds a folder for each URL."""
HUB = "hf://"
_HUB_FILE = re.compile(
    r"hf://(?:models/)?(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[^/]+))?/(?P<path>.+)"
)
_PINNED = re.compile(r"sha256=(?P<digits>[0-9a-f]{8,64})", re.I)
_HUB_PAGE = re.compile(r"(https://huggingface\.co/[^/]+/[^/]+)/blob/(.+)")
_KEY_DIGITS = 16


class HubError(OSError):
    """A file of the Hub could not be downloaded; the message is one line."""


def is_remote(name: str | os.PathLike[str]) -> bool:
    """Return whether a name of weights is a URL that can be fetched."""
    url = find_url(name)
    return url is not None and url.lower().startswith(("http://", "https://", HUB))


def remote_weights(name: str | os.PathLike[str]) -> NamedWeights:
    """Return what is known of weights by their URL.

    Args:
        name: `https://HOST/FILE`, or `hf://USER/REPO[@REVISION]/FILE`; after it
            perhaps `#sha256=DIGITS`, which pins the file.

    Raises:
        ValueError: If the URL names no file, or the digits are none of a SHA-256.
    """
    url, _, fragment = (find_url(name) or str(name)).partition("#")
    pinned = _PINNED.fullmatch(fragment)
    if fragment and pinned is None:
        raise ValueError(
            f"after # must stand sha256= and 8 to 64 hexadecimal digits, got "
            f"{fragment!r} in {name}"
        )
    url = _HUB_PAGE.sub(r"\1/resolve/\2", url)
    path = unquote(urlsplit(url).path)
    is_file = _HUB_FILE.fullmatch(url) if url.startswith(HUB) else Path(path).name
    if not is_file or url.endswith("/"):
        form = "hf://USER/REPO/FILE" if url.startswith(HUB) else "https://HOST/FILE"
        raise ValueError(
            f"a URL of weights must name a file, as {form}, got {url!r}; add the "
            "file, as model.safetensors"
        )
    key = hashlib.sha256(url.encode()).hexdigest()[:_KEY_DIGITS]
    filename = re.sub(r"[^\w.-]", "_", Path(path).name)
    digits = pinned["digits"].lower() if pinned else ""
    return NamedWeights(url, f"{FOLDER}/{key}/{filename}", digits, 0)


def download_from_hub(url: str, target: Path, timeout_s: float) -> None:
    """Download a file of the Hugging Face Hub.

    The Hub's own client takes the user's token, proxies and `HF_ENDPOINT`.

    Args:
        url: `hf://USER/REPO[@REVISION]/FILE`.
        target: where to write it.
        timeout_s: seconds without an answer after which it fails.

    Raises:
        ImportError: If huggingface_hub is not installed.
        HubError: If the file cannot be downloaded.
    """
    try:
        from huggingface_hub import errors, hf_hub_download  # noqa: PLC0415
    except ImportError:
        raise ImportError(
            'hf:// needs huggingface_hub: pip install "styleflax[hub]"'
        ) from None
    match = _HUB_FILE.fullmatch(url)
    assert match is not None, url  # as `remote_weights` checked
    repo, path = match["repo"], unquote(match["path"])
    reasons = {
        errors.GatedRepoError: f"{repo} asks for a login (`hf auth login`) and for "
        f"consent at https://huggingface.co/{repo}",
        errors.RepositoryNotFoundError: f"there is no repository {repo}, or it is "
        "private and needs a login (`hf auth login`)",
        errors.RevisionNotFoundError: f"{repo} has no revision {match['revision']}",
        errors.LocalEntryNotFoundError: "the Hub cannot be reached",
        errors.EntryNotFoundError: f"{repo} has no file {path}",
    }
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".hub-") as folder:
        try:
            found = hf_hub_download(
                repo,
                path,
                revision=match["revision"],
                local_dir=folder,
                etag_timeout=timeout_s,
                endpoint=os.environ.get("HF_ENDPOINT"),
            )
        except Exception as error:  # of its HTTP library, or its own
            known = (text for kind, text in reasons.items() if isinstance(error, kind))
            plain = str(error).strip().partition("\n")[0] or type(error).__name__
            raise HubError(next(known, plain)) from error
        shutil.move(found, target)
