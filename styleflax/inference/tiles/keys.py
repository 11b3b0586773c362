"""All positions of a content, in blocks of one size, for a content attending to itself.

Windows overlap, and the last ones reach beyond the picture; blocks hold each position
of the picture once, and only the last is not full.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from styleflax.inference.tiles.windows import Span, Window


class KeyBlock(NamedTuple):
    """Some positions of every layer.

    Attributes:
        features: By layer, (n, c).
        allowed: By layer, (n,): 0 for filler, else 1.
    """

    features: dict[str, Float[np.ndarray, "n c"]]
    allowed: dict[str, Float[np.ndarray, " n"]]


def key_blocks(
    windows: Iterable[tuple[Window, Mapping[str, np.ndarray]]],
    strides: Mapping[str, int],
) -> Iterator[KeyBlock]:
    """Yields the positions of the windows' cores, as many at a time as a window has.

    Args:
        windows: All of a picture, with their features.
        strides: Strides of every layer's positions, in px.
    """
    waiting: dict[str, np.ndarray] = {}
    sizes: dict[str, int] = {}
    for window, features in windows:
        for layer, stride in strides.items():
            core = _core(features[layer][0], window, stride)
            before = waiting.get(layer, core[:0])
            waiting[layer] = np.concatenate([before, core])
            sizes[layer] = (window.side // stride) ** 2
        while all(len(waiting[layer]) >= size for layer, size in sizes.items()):
            yield _take(waiting, sizes)
    while any(map(len, waiting.values())):
        yield _take(waiting, sizes)


def _core(feature: np.ndarray, window: Window, stride: int) -> np.ndarray:
    def part(span: Span) -> slice:
        first, last = span.begin // stride, -(-span.end // stride)
        start = span.start // stride
        return slice(first - start, last - start)

    core = feature[part(window.rows), part(window.columns)]
    return core.reshape(-1, feature.shape[-1])


def _take(waiting: dict[str, np.ndarray], sizes: Mapping[str, int]) -> KeyBlock:
    """The first positions of each layer, which are then no longer waiting."""
    block = KeyBlock({}, {})
    for layer, size in sizes.items():
        taken = waiting[layer][:size]
        missing = size - len(taken)
        block.features[layer] = np.pad(taken, ((0, missing), (0, 0)))
        block.allowed[layer] = np.pad(np.ones(len(taken), np.float32), (0, missing))
        waiting[layer] = waiting[layer][size:]
    return block
