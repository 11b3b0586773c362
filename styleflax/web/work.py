"""The worker of the app: one job from the uploaded files to the file of the result."""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from PIL import Image as PillowImage

from styleflax.files import is_disk_full
from styleflax.images.decoding import open_image
from styleflax.images.files import keeps_alpha, write_picture
from styleflax.images.read import Picture, read_picture
from styleflax.inference.contents import Picture as AnyPicture
from styleflax.inference.contents import is_style_file, rounded
from styleflax.inference.controls import make_plan
from styleflax.inference.stylizer import OneStyle
from styleflax.inference.video.clip import Clip
from styleflax.inference.video.clips import open_clip, open_writer
from styleflax.inference.video.job import clip_warnings, stylize_clip
from styleflax.inference.video.stylizer import VideoStylizer
from styleflax.memory import describe_lack, is_out_of_memory
from styleflax.web.jobs import Job, Result
from styleflax.web.limits import Limits, RefusedError
from styleflax.web.offers import Models, Offered
from styleflax.web.options import (
    Files,
    Options,
    gatys_settings,
    read_controls,
    requested_styles,
)

_MOST_SHAPES = 32
"""Number of distinct models and sizes after which compiled programs are discarded."""
_MEDIA_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".tif": "image/tiff",
    ".bmp": "image/bmp",
    ".mp4": "video/mp4",
}


class Task(NamedTuple):
    """The payload of a job.

    Attributes:
        options: Options, checked as far as that is possible without reading files.
        files: The uploaded files by the name of their part.
        sizes: Width and height in px of every image among the files.
    """

    options: Options
    files: Files
    sizes: tuple[tuple[int, int], ...] = ()

    def shapes(self) -> tuple[object, ...]:
        """Returns the options and sizes that decide which programs are compiled."""
        kind, model, *sizes = (
            getattr(self.options, name)
            for name in ("kind", "model", "size", "style_size", "tile", "levels")
        )
        return kind, model, *sizes, self.sizes


def make_worker(
    offered: Mapping[str, Offered], device: jax.Device, limits: Limits
) -> Callable[[Job], Result]:
    """Returns the function that runs jobs on one device; see `Jobs`.

    Args:
        offered: Models that clients can request, by name.
        device: Device on which they run.
        limits: Limits on images and videos.
    """
    models, shapes = Models(offered, device), set[tuple[object, ...]]()

    def work(job: Job) -> Result:
        shapes.add(job.payload.shapes())
        if len(shapes) > _MOST_SHAPES:
            # Each may have compiled programs, which would fill the memory over time.
            shapes.clear()
            models.clear()
            jax.clear_caches()
        # Only programs of the default device are cached on disk and protected against
        # a lack of memory, so the first device is not set explicitly.
        is_first = device == jax.local_devices()[0]
        place = contextlib.nullcontext() if is_first else jax.default_device(device)
        kinds = {"picture": _stylize, "video": _video, "gatys": _optimize}
        with place:
            return kinds[job.payload.options.kind](job, job.payload, models, limits)

    return work


def check_pictures(task: Task, limits: Limits) -> Task:
    """Returns the task with the sizes of its images, read from their headers.

    Raises:
        RefusedError: If a file is not an image (415) or is too large (413).
    """
    options, files, _ = task
    sizes: list[tuple[int, int]] = []
    paths = [
        path
        for name, uploaded in files.items()
        if name != "content"
        for path in uploaded
    ]
    if options.kind != "video":
        paths += files["content"]
    for path in paths:
        if is_style_file(path):
            continue
        is_mask = path.name.startswith(("mask", "style_mask"))
        least = {"min_side_px": 1} if is_mask else {}
        try:
            with open_image(path, max_megapixels=float("inf"), **least) as image:
                width, height = image.size
        except ValueError as error:
            raise RefusedError(415, without_folder(str(error), path.parent)) from None
        size = None if is_mask else options.style_size
        if path in files["content"]:
            size = options.size
        check_size(path.name, width, height, size, limits)
        sizes.append((width, height))
    return task._replace(sizes=tuple(sizes))


def check_size(
    name: str, width: int, height: int, size: int | None, limits: Limits
) -> None:
    """Refuses an image that is too large, before or after resizing.

    Args:
        name: Name of the image in the error.
        width: Width in px.
        height: Height in px.
        size: Requested short side in px; None to leave the image as it is.
        limits: Limits on megapixels.

    Raises:
        RefusedError: If the image is too large (413).
    """
    scale = 1.0 if size is None else max(1.0, size / max(1, min(width, height)))
    megapixels = width * height * scale**2 / 1e6
    if megapixels > limits.max_megapixels:
        at_size = "" if scale == 1.0 else f" at a short side of {size} px"
        raise RefusedError(
            413,
            f"{name} has {width}x{height} pixels{at_size}, more than the limit of "
            f"{limits.max_megapixels:g} megapixels; send a smaller image, or start "
            "the app with a larger --max-megapixels",
        )


def describe_failure(job: Job, error: BaseException) -> str:
    """Returns one line that says why a job failed, without paths of this machine."""
    if isinstance(error, RefusedError):
        text = error.message
    elif is_out_of_memory(error):
        text = describe_lack(error)
    elif is_disk_full(error):
        text = "the disk of the machine that runs the app is full: free some space"
    elif isinstance(error, (ValueError, OSError, ImportError)):
        text = str(error)
    else:
        text = f"the job failed because of a fault in the app: {type(error).__name__}"
    return " ".join(without_folder(text, job.folder).split())


def without_folder(text: str, folder: Path) -> str:
    """Returns a message in which uploaded files have names instead of paths."""
    return text.replace(f"{folder}/", "")


def _stylize(job: Job, task: Task, models: Models, limits: Limits) -> Result:
    options, files, _ = task
    job.at("model")
    stylizer = models.stylizer(options.model, options.tile)
    stylizer.watch(
        job.note,
        lambda done, total: job.at("stylizing", done, total),
        lambda done, total: job.at("optimizing", done, total),
    )
    job.at("styles")
    controls = read_controls(options, files, limits.max_megapixels)
    styles = _read_styles(job, task, limits)
    photo = _read_photo(job, files, limits)
    job.at("stylizing")
    result = stylizer(photo, styles or None, **controls).array
    return _write(job, options, photo, rounded(result))


def _optimize(job: Job, task: Task, _models: Models, limits: Limits) -> Result:
    # Imported late, because only optimization needs optax.
    from styleflax.inference.gatys import RunOptions, optimize_picture  # noqa: PLC0415

    options, files, _ = task
    job.at("styles")
    controls = read_controls(options, files, limits.max_megapixels)
    settings = gatys_settings(options)
    total = sum(settings.iterations_at(level) + 1 for level in range(settings.levels))
    done = 0

    def report(_level: int, losses: np.ndarray) -> None:
        nonlocal done
        done += len(losses)
        job.at("optimizing", done, total)

    photo = _read_photo(job, files, limits)
    styles = _read_pixels(job, task, limits)
    job.at("optimizing", 0, total)
    run_options = RunOptions(options.seed, on_progress=report)
    result = optimize_picture(
        photo, styles, settings, run_options=run_options, **controls
    )
    return _write(job, options, photo, rounded(result.picture.array))


def _video(job: Job, task: Task, models: Models, limits: Limits) -> Result:
    options, files, _ = task
    job.at("model")
    stylizer = models.stylizer(options.model)
    controls = read_controls(options, files, limits.max_megapixels)
    styles = _read_styles(job, task, limits)
    plan = make_plan(max(1, len(styles)), **controls)
    stylizer.check_plan(plan)
    (path,) = files["content"]
    with open_clip(path, limits.max_megapixels, sound=options.sound) as clip:
        check_size("the video", clip.width, clip.height, options.size, limits)
        _check_frames(clip.num_frames or 0, limits)
        job.at("styles")
        prepared = stylizer.read_styles(styles or [None], plan)
        frames = VideoStylizer(
            models.model(options.model),
            stylizer,
            prepared,
            plan,
            smooth_s=options.smooth,
            steady=options.steady,
            keyframes=options.keyframes,
            announce=job.note,
        )
        return _write_frames(job, options, clip, frames, limits)


def _write_frames(
    job: Job, options: Options, clip: Clip, stylize: VideoStylizer, limits: Limits
) -> Result:
    target, done = job.folder / "stylized.mp4", 0
    job.at("frames", 0, clip.num_frames)
    with open_writer(target, clip, crf=options.crf) as writer:
        for _ in stylize_clip(clip, writer, stylize):
            done += 1
            _check_frames(done, limits)
            job.at("frames", done, clip.num_frames)
        job.at("writing")
    for text in clip_warnings(clip, writer, "the video"):
        job.note(text)
    return Result(target, _MEDIA_TYPES[".mp4"], *writer.size, done)


def _check_frames(number: int, limits: Limits) -> None:
    if number > limits.max_frames:
        raise ValueError(
            f"a video must have at most {limits.max_frames} frames; cut it into parts"
        )


def _read_styles(job: Job, task: Task, limits: Limits) -> list[OneStyle]:
    """Returns the styles of a job; paintings are decoded."""
    return [
        style
        if isinstance(style, str) or is_style_file(style)
        else _read(job, style, limits).on_white()
        for style in requested_styles(*task[:2])
    ]


def _read_pixels(job: Job, task: Task, limits: Limits) -> list[AnyPicture]:
    """Returns the decoded paintings of a job that needs their pixels."""
    for style in requested_styles(*task[:2]):
        if isinstance(style, str) or is_style_file(style):
            raise ValueError(
                "a style must be an image for this kind of job, got a name or a "
                "style file; optimization needs the painting's pixels"
            )
    return [
        _read(job, Path(style), limits).on_white()
        for style in requested_styles(*task[:2])
    ]


def _read_photo(job: Job, files: Files, limits: Limits) -> Picture:
    (path,) = files["content"]
    return _read(job, path, limits)


def _read(job: Job, path: Path, limits: Limits) -> Picture:
    picture = read_picture(path, max_megapixels=limits.max_megapixels)
    for note in picture.notes:
        job.note(without_folder(note, job.folder))
    return picture


def _write(job: Job, options: Options, photo: Picture, result_u8: np.ndarray) -> Result:
    """Writes a result with the transparency and metadata of its photo."""
    job.at("writing")
    height, width = result_u8.shape[:2]
    suffix = f".{options.format}"
    alpha_u8 = photo.alpha_u8
    if alpha_u8 is not None and alpha_u8.shape != (height, width):
        bicubic = PillowImage.Resampling.BICUBIC
        resized = PillowImage.fromarray(alpha_u8).resize((width, height), bicubic)
        alpha_u8 = np.asarray(resized)
    if alpha_u8 is not None and not keeps_alpha(suffix):
        job.note(f"{suffix} has no transparency: transparent parts become white")
    picture = photo._replace(rgb_u8=result_u8, alpha_u8=alpha_u8)
    if options.metadata == "strip":
        picture = picture.without_metadata()
    target = job.folder / f"stylized{suffix}"
    write_picture(picture, target)
    return Result(target, _MEDIA_TYPES[suffix], width, height)
