"""Folders of photos in the styles of folders of paintings: planned, then made."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Unpack

from styleflax.images.decoding import MAX_MEGAPIXELS
from styleflax.inference.controls import ControlArguments, Plan, make_plan
from styleflax.inference.folders.job import Job, expect_sizes, run_job, skip_complete
from styleflax.inference.folders.outputs import find_targets
from styleflax.inference.folders.pairs import Given, all_rows, group_rows
from styleflax.inference.folders.records import Recorder, check_resume
from styleflax.inference.folders.sources import (
    Row,
    check_max_megapixels,
    one_picture,
)
from styleflax.inference.folders.watcher import Watcher
from styleflax.inference.stylizer import Stylizer

ControlsOf = Callable[[float], tuple[ControlArguments, Plan]]
"""From a strength to controls, and the plan that they make."""


class Writing(NamedTuple):
    """How photos are read and results are written.

    Attributes:
        suffix: Suffix of results in a folder; ".png" if None.
        overwrite: Replace existing files.
        resume: Continue earlier work: skip complete results, and refuse those made of
            other styles, weights or controls.
        keep_metadata: Give results the EXIF block and the color profile of their photo.
        max_megapixels: Largest image that is read, in megapixels.
    """

    suffix: str | None = None
    overwrite: bool = False
    resume: bool = False
    keep_metadata: bool = False
    max_megapixels: float = MAX_MEGAPIXELS


WRITING = Writing()


def stylize_folder(
    photos: Sequence[Path],
    styles: Sequence[Path],
    out: Path,
    model: str = "adain",
    writing: Writing = WRITING,
    watcher: Watcher | None = None,
    **controls: Unpack[ControlArguments],
) -> Watcher:
    """Returns what became of every photo in every style, or in a mix of all styles.

    Mistakes are found before the model is loaded. A result that fails does not stop
    the others. `styleflax stylize` is this function with options; errors call
    arguments as its options are called.

    Args:
        photos: Images, or folders of images.
        styles: Paintings, style files, or folders of these; for a model with styles
            of its own also their names. Every photo gets each of them, or with
            `weights` or `region_styles` among the controls a mix of all.
        out: A folder; a file for a single result.
        model: Name or file of the model.
        writing: How photos are read and results are written.
        watcher: Follows the work.
        **controls: Controls of `Stylizer.__call__`, but for `style_masks`.

    Raises:
        ValueError: A control, a name or a file cannot be used.
        FileNotFoundError: A photo, a style or the model is missing.
        FileExistsError: Results exist, and `writing` neither replaces nor resumes.
        OSError: The folder cannot be written to, or the disk is full.

    Example:
        >>> made = stylize_folder([Path("photos")], [Path("paintings")], Path("out"))
        >>> print(len(made.written), made.failed)
    """
    watcher = watcher or Watcher()
    check_max_megapixels(writing.max_megapixels)
    check_resume(out, resume=writing.resume, overwrite=writing.overwrite)
    together = one_picture(controls)
    given = Given(photos, styles, (), model, out, [])
    alpha = controls.get("alpha", 1.0)
    rows, num_styles = all_rows(given, alpha, lambda _: together, repeats=together)

    def controls_of(_: float) -> tuple[ControlArguments, Plan]:
        return controls, make_plan(num_styles if together else 1, **controls)

    jobs = plan_jobs(rows, given, controls_of, writing)
    run_jobs(jobs, lambda: Stylizer.load(model), watcher, resume=writing.resume)
    return watcher


def plan_jobs(
    rows: Sequence[Row], given: Given, controls_of: ControlsOf, writing: Writing
) -> list[Job]:
    """Returns the work, a job for each strength; makes the folder of results.

    Args:
        rows: The results to make.
        given: The model, the folder or file of results, and what folders left out.
        controls_of: Called once for each strength.
        writing: How photos are read and results are written.

    Raises:
        ValueError: Several results for one file, or a format that cannot be written.
        FileExistsError: Results exist, and `writing` neither replaces nor resumes.
        OSError: The folder cannot be written to.
    """
    replaces = writing.overwrite or writing.resume
    targets = find_targets(rows, given.out, suffix=writing.suffix, overwrite=replaces)
    recorder = None
    if writing.resume or given.out.is_dir():
        metadata = "keep" if writing.keep_metadata else "strip"
        recorder = Recorder(given.weights, metadata=metadata)
    jobs = []
    for group in group_rows(rows, targets):
        controls, plan = controls_of(group.alpha)
        contents, mixes = group.sides
        job = Job(
            contents=contents,
            mixes=mixes,
            targets=group.targets,
            controls=controls,
            plan=plan,
            suffix=writing.suffix or ".png",
            max_megapixels=writing.max_megapixels,
            keep_metadata=writing.keep_metadata,
            overwrite=replaces,
            left_out=given.left_out,
            recorder=recorder,
        )
        jobs.append(job)
    return jobs


def run_jobs(
    jobs: Sequence[Job],
    load: Callable[[], Stylizer],
    watcher: Watcher,
    *,
    resume: bool = False,
) -> None:
    """Makes the results; one that fails does not stop the others.

    Args:
        jobs: The work.
        load: Loads the model; called if anything is left to do.
        watcher: Follows the work.
        resume: Skip results that are complete.

    Raises:
        ValueError: The method lacks a control, or results were made otherwise.
        OSError: The disk is full.
    """
    left, skipped = skip_complete(jobs) if resume else (list(jobs), [])
    watcher.skip(skipped)
    if not left:
        return
    with watcher.phase("weights"):
        stylizer = load()
        for job in left:
            stylizer.check_plan(job.plan)
    targets = [target for job in left for target in job.targets.values()]
    can_resume = any(job.recorder is not None for job in left)
    contents = dict.fromkeys(content for job in jobs for content in job.contents)
    with (
        watcher.phase("run"),
        watcher.stopping_when_full(targets, can_resume=can_resume),
    ):
        expect_sizes(stylizer, [*contents], jobs[0].plan.size)
        for job in left:
            run_job(job, stylizer, watcher)
