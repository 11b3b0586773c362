"""The losses of an optimization, as they fell."""

import importlib.util
from pathlib import Path

import numpy as np
from jaxtyping import Float


def check_plot(path: Path | None) -> None:
    """Refuses a plot that could not be drawn; call it before hours of work.

    Raises:
        ImportError: If matplotlib is not installed.
        ValueError: If files of this kind are not written.
    """
    if path is None:
        return
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError(
            '--plot needs matplotlib: run `pip install "styleflax[eval]"`'
        )
    allowed = (".png", ".svg", ".pdf")
    if path.suffix.lower() not in allowed:
        raise ValueError(f"--plot must end in {', '.join(allowed)}, got {str(path)!r}")


def plot_losses(path: Path, losses: Float[np.ndarray, "n 4"]) -> None:
    """Draws every term that is not 0 against iterations, on a logarithmic scale.

    Args:
        path: Its suffix names the format.
        losses: `methods.gatys.TERMS` for each iteration.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  (an extra)

    from styleflax.methods.gatys import TERMS  # noqa: PLC0415

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    for term, values in zip(TERMS, losses.T, strict=True):
        if values.any():
            axes.plot(np.where(values > 0, values, np.nan), label=term)
    axes.set_yscale("log")
    axes.set_xlabel("iterations")
    axes.set_ylabel("loss, weighted")
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
