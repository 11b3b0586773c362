"""All detectors of what a style transfer should not leave in a picture.

Each compares a stylized picture with both inputs, so that what an input has (a
highlight, a frame, JPEG's grid) is no artefact. A picture that is one of its own
inputs has none. Against inputs that have nothing to do with it, a photograph's
highlights do count as blobs: there is nothing to tell them from.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Array

from styleflax.evaluation.metrics.blobs import Blobs, detect_blobs
from styleflax.evaluation.metrics.borders import Border, detect_border
from styleflax.evaluation.metrics.checkerboard import (
    Checkerboard,
    detect_checkerboard,
)
from styleflax.evaluation.metrics.gray_patches import GrayPatch, detect_gray_patch


class Artefacts(NamedTuple):
    """What each detector found in one picture."""

    blobs: Blobs
    checkerboard: Checkerboard
    border: Border
    gray_patch: GrayPatch


def detect_artefacts(
    stylized: Array | np.ndarray,
    content: Array | np.ndarray,
    style: Array | np.ndarray,
) -> Artefacts:
    """Returns the findings of all detectors, each with its own limit.

    Args:
        stylized: RGB in [0, 1], (h, w, 3), sides of 64 px or more.
        content: RGB in [0, 1], (h, w, 3), sides of 64 px or more, of the same size.
        style: RGB in [0, 1], (h, w, 3), of any size from 64 px.

    Raises:
        ValueError: If these are no single pictures, too small, or of two sizes.
    """
    inputs = (stylized, content, style)
    return Artefacts(
        detect_blobs(*inputs),
        detect_checkerboard(*inputs),
        detect_border(*inputs),
        detect_gray_patch(stylized, content),
    )
