"""Download of named weights into the user's cache, each file checked by its digest."""

import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from styleflax.files import CACHE_VARIABLE, file_sha256, find_cache_dir
from styleflax.weights.foreign import refuse_foreign
from styleflax.weights.registry import (
    FOLDER,
    HUB,
    HubError,
    NamedWeights,
    download_from_hub,
    find_download,
    is_remote,
)
from styleflax.weights.registry import remote_weights as find_remote

if TYPE_CHECKING:
    import requests

__all__ = [
    "CACHE_VARIABLE",
    "WeightsError",
    "fetch",
    "find_cache_dir",
    "find_cached",
]

NUM_DIGITS = 64
"""Hexadecimal digits of a whole SHA-256."""


_RECORD_SUFFIX, _URL_SUFFIX = ".sha256", ".url"
_PAGES = (b"<!doctype html", b"<html")
_LFS_POINTER = b"version https://git-lfs"


class WeightsError(RuntimeError):
    """Error: weights could not be downloaded, or are not the requested ones."""


def _recorded_digest(path: Path) -> Path:
    return path.with_name(path.name + _RECORD_SUFFIX)


def _is_of_url(weights: NamedWeights) -> bool:
    return weights.filename.startswith(f"{FOLDER}/")


def _check_digest(
    path: Path, weights: NamedWeights, record: Path, described: str
) -> str:
    digest = file_sha256(path)
    pinned = len(weights.sha256) == NUM_DIGITS
    again = f"delete {record} to trust the new one"
    if _is_of_url(weights):
        again = f"`styleflax weights fetch {weights.url} --renew` trusts a new one"
    if not digest.startswith(weights.sha256):
        name = Path(weights.filename).name
        hint = f"; {again}" if _is_of_url(weights) else ""
        raise WeightsError(
            f"{described} is not {name}: its SHA-256 is {digest}, "
            f"and should be {weights.sha256}{'' if pinned else '...'}{hint}"
        )
    if not pinned and record.is_file():
        first = record.read_text().strip()
        if first != digest:
            raise WeightsError(
                f"{described} differs from its first download: the SHA-256 was {first} "
                f"and is {digest}; {again}"
            )
    return digest


def find_cached(name: str, cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """Return the file of a download that was made before, checked.

    Args:
        name: a key of `registry.DOWNLOADS`, or a URL, see `registry.remote_weights`.
        cache_dir: as in `find_cache_dir`.

    Raises:
        FileNotFoundError: If it was not downloaded yet.
        WeightsError: If the file is not the published one, or not the one that was
            downloaded first.
        ValueError: If no download goes by this name.
    """
    weights = _find(name)
    path = find_cache_dir(cache_dir) / weights.filename
    if not path.is_file():
        raise FileNotFoundError(
            f"no weights of {name} at {path}: run `styleflax weights fetch {name}`, "
            "or the same with `--from FILE` if you have the file"
        )
    _check_digest(path, weights, _recorded_digest(path), str(path))
    return path


def list_fetched(cache_dir: str | os.PathLike[str] | None = None) -> dict[str, Path]:
    """Return the files that were fetched by their URLs."""
    fetched = {}
    for record in (find_cache_dir(cache_dir) / FOLDER).glob(f"*/*{_URL_SUFFIX}"):
        path = record.with_name(record.name.removesuffix(_URL_SUFFIX))
        if path.is_file():
            fetched[record.read_text("utf-8").strip()] = path
    return dict(sorted(fetched.items()))


def _find(name: str) -> NamedWeights:
    return find_remote(name) if is_remote(name) else find_download(name)


@contextlib.contextmanager
def _temporary_beside(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _download(url: str, target: Path, num_bytes: int, timeout_s: float) -> None:
    # Drawn on stderr, and only where that is a terminal (disable=None). Pooch puts in
    # the size that the server says, if this one is above 0.
    bar = tqdm(
        total=num_bytes or 1,
        unit="B",
        unit_scale=True,
        disable=None,
        file=sys.stderr,
    )
    with bar:
        import pooch  # noqa: PLC0415  (training goes without)

        pooch.HTTPDownloader(progressbar=bar, chunk_size=1 << 18, timeout=timeout_s)(
            url, str(target), None
        )


def _is_worth_retrying(error: "requests.RequestException") -> bool:
    status = error.response.status_code if error.response is not None else None
    return not isinstance(error, ValueError) and (status is None or status >= 500)


def _download_with_retries(
    name: str,
    url: str,
    target: Path,
    *,
    num_bytes: int,
    timeout_s: float,
    num_attempts: int,
) -> None:
    import requests  # noqa: PLC0415  (training goes without)

    for attempt in range(1, num_attempts + 1):
        try:
            if url.startswith(HUB):
                download_from_hub(url, target, timeout_s)
            else:
                _download(url, target, num_bytes, timeout_s)
        except requests.RequestException as error:
            if attempt < num_attempts and _is_worth_retrying(error):
                time.sleep(attempt)
                continue
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise WeightsError(
                f"could not download {url}: {reason}; get the file another way and run "
                f"`styleflax weights fetch {name} --from FILE`"
            ) from error
        except HubError as error:
            raise WeightsError(f"could not download {url}: {error}") from error
        else:
            return


def _refuse_other_things(path: Path, described: str) -> None:
    """Refuses what servers send in place of a file.

    Raises:
        WeightsError: a web page, or a pointer of Git LFS.
    """
    with path.open("rb") as file:
        head = file.read(64).lstrip().lower()
    if head.startswith(_PAGES):
        raise WeightsError(
            f"{described} is a web page: give the address of the file itself, as the "
            "page's link for downloads has it"
        )
    if head.startswith(_LFS_POINTER):
        raise WeightsError(
            f"{described} is a pointer of Git LFS and not the file: give the address "
            "of the file itself"
        )


def _install(
    source: Path, path: Path, weights: NamedWeights, described: str, *, renew: bool
) -> None:
    record = _recorded_digest(path)
    _refuse_other_things(source, described)
    if renew:
        record.unlink(missing_ok=True)
    is_first = not record.is_file()
    digest = _check_digest(source, weights, record, described)
    with source.open("rb+") as file:
        os.fsync(file.fileno())
    source.chmod(0o644)
    source.replace(path)
    record.write_text(digest + "\n")
    if _is_of_url(weights):
        write = path.with_name(path.name + _URL_SUFFIX).write_text
        write(weights.url + "\n", "utf-8")
    if is_first and len(weights.sha256) < NUM_DIGITS:
        known = f"of its SHA-256 only {weights.sha256}... is"
        if not weights.sha256:
            known = "no SHA-256 of it is"
        given = "given" if _is_of_url(weights) else "published"
        print(
            f"{path.name}: {known} {given}; this first download is trusted, and later "
            f"loads must have {digest}",
            file=sys.stderr,
        )


def fetch(
    name: str,
    cache_dir: str | os.PathLike[str] | None = None,
    url: str | None = None,
    *,
    local_path: str | os.PathLike[str] | None = None,
    timeout_s: float = 30.0,
    num_attempts: int = 3,
    renew: bool = False,
) -> Path:
    """Return a named file in the cache, downloaded unless it is there already.

    A half-done download never gets the file's name. Proxies are taken from the
    environment (HTTPS_PROXY and its like).

    Args:
        name: a key of `registry.DOWNLOADS`, or a URL, see `registry.remote_weights`.
        cache_dir: as in `find_cache_dir`.
        url: a mirror to take instead of the publisher's address.
        local_path: a file that the user has already: checked, and copied.
        timeout_s: seconds without an answer or a byte after which an attempt fails.
        num_attempts: attempts in all, a growing pause between them.
        renew: download again what is there, and trust it if it has changed.

    Raises:
        WeightsError: If no download came through, or the file has a wrong digest.
        FileNotFoundError: If `local_path` does not exist.
        ValueError: If no download goes by this name.
        ImportError: If the Hub's client is not installed.
        OSError: If the cache cannot be written.
    """
    weights = _find(name)
    path = find_cache_dir(cache_dir) / weights.filename
    if local_path is not None and not Path(local_path).is_file():
        raise FileNotFoundError(f"there is no file {local_path} to take {name} from")
    if local_path is not None:
        refuse_foreign(Path(local_path))
    if local_path is None and path.is_file() and not renew:
        if is_remote(name):  # which may have changed, where only a record tells
            return find_cached(name, cache_dir)
        with contextlib.suppress(WeightsError):
            return find_cached(name, cache_dir)
    address = url or weights.url
    with _temporary_beside(path) as target:
        if local_path is not None:
            shutil.copyfile(local_path, target)
        else:
            _download_with_retries(
                name,
                address,
                target,
                num_bytes=weights.num_bytes,
                timeout_s=timeout_s,
                num_attempts=num_attempts,
            )
        described = str(local_path or f"the download of {address}")
        _install(target, path, weights, described, renew=renew)
    return path
