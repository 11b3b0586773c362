"""Frames and pages of image files after the first."""

from typing import Any

from PIL.Image import Image

_IN_TIME = frozenset({"GIF", "WEBP", "PNG", "AVIF"})
"""Formats whose frames follow in time."""
_NEW_SUBFILE_TYPE, _REDUCED, _MASK = 254, 1, 4  # of TIFF


def is_animated(image: Image) -> bool:
    """Returns whether an opened picture has frames that follow in time."""
    return image.format in _IN_TIME and num_frames(image) > 1


def num_frames(image: Any) -> int:
    """Returns how many frames an opened picture shows one after the other."""
    return int(getattr(image, "n_frames", 1)) - first_frame(image)


def first_frame(image: Any) -> int:
    """Returns the number of the first frame.

    It is 1 for a PNG whose first picture is for programs without animations alone.
    """
    return int(bool(getattr(image, "default_image", False)))


def note_of_others(image: Any) -> str:
    """Returns what is to be said of frames and pages that are left out, or "".

    Args:
        image: An opened picture; it is at its first frame afterwards.
    """
    try:
        if is_animated(image):
            return (
                f"only the first of its {num_frames(image)} frames is taken; "
                "`styleflax video` stylizes them all"
            )
        pages = _num_pages(image) if image.format == "TIFF" else 1
    except Exception:  # what is damaged behind the first picture does not spoil it
        return ""
    if pages == 1:
        return ""
    return (
        f"only the first of its {pages} pages is taken; split it to take all, for "
        "example by `magick a.tif page_%d.tif`"
    )


def _num_pages(image: Any) -> int:
    """Pages of a TIFF file that are no smaller copies and no masks of others."""
    pages = 0
    try:
        for number in range(int(getattr(image, "n_frames", 1))):
            image.seek(number)
            kind = image.tag_v2.get(_NEW_SUBFILE_TYPE, 0)
            pages += not kind & (_REDUCED | _MASK)
    finally:
        image.seek(0)
    return max(pages, 1)
