"""The colour photographs inside scikit-image's wheel; nothing is downloaded."""

import importlib.util
from pathlib import Path

_HELD_OUT = "coffee.png"
# The wheel's other colour pictures are no photographs of everyday things, or
# are mostly black; motorcycle_right shows what motorcycle_left does.
_TRAINING = (
    "astronaut.png",
    "chelsea.png",
    "ihc.png",
    "motorcycle_left.png",
    "rocket.jpg",
)


def held_out_photo() -> Path:
    """Returns the photograph that `sample_photos` leaves out, to be stylized."""
    return _photo(_HELD_OUT)


def training_photos() -> list[Path]:
    """Returns the photographs of `sample_photos`."""
    return [_photo(name) for name in _TRAINING]


def _photo(name: str) -> Path:
    # Found without importing scikit-image, which takes a second.
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("scikit-image is missing: pip install scikit-image")
    path = Path(spec.origin).parent / "data" / name
    if not path.is_file():
        raise FileNotFoundError(
            f"scikit-image has no {name} in {str(path.parent)!r}; "
            "pip install 'scikit-image>=0.25'"
        )
    return path
